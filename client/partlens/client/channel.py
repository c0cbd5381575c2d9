"""How a client connects: deadlines and message sizes."""

DEADLINE = 60.0
"""Seconds that one call may take unless the caller says otherwise."""

RESPONSE_BYTES = 256 * 2**20
"""Largest answer that is accepted: a full page of hits, each with maps and a thumbnail."""

OPTIONS = (
    ("grpc.max_receive_message_length", RESPONSE_BYTES),
    # What may be sent is the server's to say (see Limits); it answers with a clear error.
    ("grpc.max_send_message_length", -1),
)
