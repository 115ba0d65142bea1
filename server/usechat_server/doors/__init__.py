"""Doors: ways in for clients that do not read the UI message stream.

A door is the shape of a request and an encoding of the log of its run. All else is as in the chat.
"""
