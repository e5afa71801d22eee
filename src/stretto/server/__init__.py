"""A run in the browser: `stretto ui`, and a run as one file.

`guard` says who may ask, `app` what can be asked, `news` tells a run while it goes on, `reading` what is
recorded of a call, `costs` what runs have cost, `actions` what can be done to a run. `file` puts a run and
the page into one file that needs no server. What the browser is given is in `page`, and is served as it is.

Everything but `file` needs the extra ``ui``, so nothing here is imported by the rest of the package at once.
"""
