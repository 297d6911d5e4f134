"""``connect``: what to paste into an agent platform or a client so that it finds this server."""
