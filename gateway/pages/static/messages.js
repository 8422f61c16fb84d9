/**
 * The messages of the live sockets as types; this module has no code.
 *
 * @typedef {{word: string, start: number, end: number, confidence: number}} Word
 * @typedef {"waiting" | "live" | "paused" | "ended"} ChannelStates
 * @typedef {{session_id: string, epoch: string, offset: number}} Resume
 * @typedef {{type: "connected", session_id: string, channel_id: string, source_lang: string, target_lang: string,
 *   expires_at?: string, epoch: string, offset: number, state: ChannelStates, resumed?: boolean,
 *   audio?: {bytes: number, seconds: number}, quota?: {plan?: string, used_seconds?: number, limit_seconds?: number,
 *   remaining_seconds?: number, window?: string | null, kind?: string, resets_at?: string | null}}} Connected
 * @typedef {{type: "channel", state: ChannelStates, source_lang: string, stream_id?: string}} ChannelState
 * @typedef {{type: "subtitle", segment_id: string, rev: number, offset: number, is_final: boolean, text: string,
 *   lang: string, source_text?: string, source_lang?: string, start: number, end: number, words?: Word[]}} Subtitle
 * @typedef {{type: "dub_audio", segment_id: string, lang: string, start: number, duration: number,
 *   sample_rate: number, encoding?: string, last: boolean}} DubAudio
 * @typedef {{type: "target", target_lang: string, epoch: string, offset: number}} Target
 * @typedef {{type: "audio_ack", bytes: number, seconds: number}} AudioAck
 * @typedef {{type: "lag", received_seconds: number, processed_seconds: number}} Lag
 * @typedef {{type: "gap", from: number, to: number, reason: string}} Gap
 * @typedef {{type: "warning", code: string, message?: string}} Warning
 * @typedef {{type: "quota", plan?: string, kind?: string, window?: string | null, used_seconds?: number, limit_seconds?: number,
 *   remaining_seconds?: number, resets_at?: string | null}} Quota
 * @typedef {{type: "resync", reason: string, epoch: string, offset: number}} Resync
 * @typedef {{type: "ended", audio_seconds: number, billed_seconds: number}} Ended
 * @typedef {{type: "error", code: string, message: string, recoverable: boolean, retry_after_seconds?: number,
 *   served?: {source_lang: string, target_lang: string}[], window?: string, resets_at?: string, held?: boolean}} Refusal
 * @typedef {Connected | ChannelState | Subtitle | DubAudio | Target | AudioAck | Lag | Gap | Warning | Resync | Ended
 *   | Refusal | {type: "pong", received_seconds?: number, processed_seconds?: number} | {type: "finalized", seconds: number} | Quota} Message
 */
export {};
