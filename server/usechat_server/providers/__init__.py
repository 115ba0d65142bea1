"""Model providers: one package each, with a translation of the request and one of the response.

`base` is the interface that they implement; `sse`, `timeouts`, `retry` and `json_objects` are what
they share.
"""
