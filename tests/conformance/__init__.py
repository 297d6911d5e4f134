"""The Model Context Protocol's own conformance suite, run against the real HTTP core."""
