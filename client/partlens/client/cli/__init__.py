"""Commands that call a server: each parses its arguments, calls the client and prints."""
