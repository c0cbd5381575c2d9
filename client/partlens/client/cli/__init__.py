"""The commands that ask a server: each parses, asks the client and prints."""
