"""What the demonstration is made of: 369 agencies, a real text for its letter, an invitation and its meeting.

For ``edoc demo`` and for tests. The agencies' names and the bulletin's text are real and public; codes, people,
addresses, numbers and meetings are invented and look so; every page says that it is a demonstration.

``agencies`` reads the data that lies in this folder (its source: ``README.md``), ``letters`` lays out the two PDFs as
Decree 30/2020/NĐ-CP asks, ``meetings`` writes the meeting as an iCalendar request.
"""
