# Written by scripts/write_sync_client.py from asynchronous/__init__.py; change that file instead.
"""The blocking client.

Each module has the methods of one subject; Client inherits them all.
"""
