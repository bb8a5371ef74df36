"""The truth: SQL over one engine. Functions take a connection that is inside a transaction; `engine.Store` gives them one."""
