// Answers what Agora's own package for JavaScript makes of tokens, and what it would have made.
const { createHmac } = require('crypto')
const { AccessToken2, ServiceRtc } = require('agora-token/src/AccessToken2')
const legacy = require('agora-token/src/AccessToken')

function read007({ token, certificate }) {
  const parsed = new AccessToken2('', '', 0, 0)
  if (!parsed.from_string(token)) return null
  const [rtc] = parsed.getServices(1)
  return {
    verified: parsed.verifySignature(certificate),
    app_id: parsed.appId.toString(),
    issued_at_seconds: parsed.issueTs,
    lifetime_seconds: parsed.expire,
    salt: parsed.salt,
    channel: rtc.__channel_name.toString(),
    uid: rtc.__uid.toString(),
    privileges: rtc.__privileges
  }
}

function make007({ app_id, certificate, channel, uid, privileges, issued_at_seconds, lifetime_seconds, salt }) {
  const token = new AccessToken2(app_id, certificate, issued_at_seconds, lifetime_seconds)
  token.salt = salt
  const rtc = new ServiceRtc(channel, uid)
  for (const privilege of privileges) rtc.add_privilege(privilege, lifetime_seconds)
  token.add_service(rtc)
  return token.build()
}

function make006({ app_id, certificate, channel, uid, privileges, ends_at_seconds, stamp_seconds, salt }) {
  const token = new legacy.AccessToken(app_id, certificate, channel, uid)
  token.salt = salt
  token.ts = stamp_seconds
  for (const privilege of privileges) token.addPriviledge(privilege, ends_at_seconds)
  return token.build()
}

const hmac = ({ secret, text }) => createHmac('sha1', secret).update(text).digest('base64')
const does = { read007, make007, make006, hmac }

let asked = ''
process.stdin.on('data', chunk => { asked += chunk })
process.stdin.on('end', () => {
  const answers = JSON.parse(asked).map(([what, of]) => does[what](of))
  process.stdout.write(JSON.stringify(answers))
})
