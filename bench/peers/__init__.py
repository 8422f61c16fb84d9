"""Other servers that do the same, to be measured beside ours in the same run.

Each keeps to what `bench.reference` speaks: the first message has a token, which is verified and answered;
`/viewer` is sent what `/captions` says; everything else counts what it is sent and answers texts.
"""
