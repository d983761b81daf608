"""REST ``/api/v1``: one blueprint a resource; each view parses, calls one service, renders.

``problems`` turns every error into an RFC 9457 answer, ``authentication`` says who calls, ``models`` are the shapes of
requests and answers, ``answers`` writes them and describes them for OpenAPI, ``downloads`` sends content with ranges,
``paging`` makes cursors. What the routes do is described in ``docs/rest.md``.
"""
