"""One service for a team: data sets, scans, findings, reviews, sources, models and monitors, kept in a data base and a folder.

settings     where everything lies, and every limit
records      the tables; `migrations/` how they came to be; `database` opens them
shapes       what goes in and comes out, as types: the API's schema, the client's and the pages' objects
access       who may do what: roles, scopes, tokens, sessions
NOUN.py      what can be done with one noun, as functions of a session and a person: projects, datasets, scans, ...
queue, work  jobs that survive whoever runs them, and what each kind does; `worker` runs them
api/         HTTP routes, a file a noun, which call the functions above and hold no SQL
app          puts it together; `client` talks to it
"""
