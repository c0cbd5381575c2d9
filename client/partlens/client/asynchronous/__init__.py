"""The client for asyncio. The blocking one is generated from it.

Each module has the methods of one subject; AsyncClient inherits them all.
"""
