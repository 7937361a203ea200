"""Who is asking: principals, sessions, tokens, the directory."""
