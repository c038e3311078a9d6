"""The tables of an index, the same in every kind of database."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

# Of the tables and of what is in them; another one is made anew from the cards.
FORMAT = 2

METADATA = MetaData()

# One line for each card; `line` is the whole `Entry` as JSON, the rest is what one filters by.
ENTRIES = Table(
    "regraft_entries",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("latest", Boolean, nullable=False),
    Column("kind", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("created", String, nullable=False),
    Column("task", String, nullable=False),
    Column("licence", String, nullable=False),
    Column("classes", Integer, nullable=False),
    Column("parameters", BigInteger, nullable=False),
    Column("accuracy", Float),
    Column("parent", String, nullable=False),
    Column("line", Text, nullable=False),
    Index("regraft_entries_address", "name", "version", unique=True),
    Index("regraft_entries_digest", "digest"),
    Index("regraft_entries_parent", "parent"),
    Index("regraft_entries_latest", "latest", "created"),
)

# Which parts a card needs, so that siblings are found, and what nobody needs any more.
USES = Table(
    "regraft_uses",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", String, primary_key=True),
    Index("regraft_uses_digest", "digest"),
)

TAGS = Table(
    "regraft_tags",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tag", String, primary_key=True),
    Index("regraft_tags_tag", "tag"),
)

# Cards that are there and cannot be read, with the reason.
UNREADABLE = Table(
    "regraft_unreadable",
    METADATA,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("reason", Text, nullable=False),
)

# What state of the cards the index knows.
STATE = Table("regraft_state", METADATA, Column("key", String, primary_key=True), Column("value", Text, nullable=False))
