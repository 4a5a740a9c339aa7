-- A catalogue of schema version 1, as the first release made it of tests/ingest/test_migration.py's DOCUMENTS.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folders (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    folder TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL, media_type TEXT NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL,
    pages INTEGER, passages INTEGER NOT NULL, parser TEXT NOT NULL, indexed_at TEXT NOT NULL,
    UNIQUE (folder, path)
);
CREATE INDEX sources_by_content ON sources (sha256);
CREATE TABLE passages (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE, source INTEGER NOT NULL REFERENCES sources (id), position INTEGER NOT NULL,
    text TEXT NOT NULL, headings TEXT NOT NULL, kind TEXT NOT NULL, page INTEGER, page_to INTEGER, spans TEXT NOT NULL,
    tokens INTEGER NOT NULL, language TEXT NOT NULL, vector TEXT NOT NULL REFERENCES vectors (key),
    UNIQUE (source, position)
);
CREATE INDEX passages_by_vector ON passages (vector);
CREATE TABLE vectors (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE terms USING fts5 (title, headings, body,
    tokenize = "unicode61 remove_diacritics 0 tokenchars '_'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab ('terms', 'row');
PRAGMA user_version = 1;
INSERT INTO meta (key, value) VALUES ('embedder', 'words/1');
INSERT INTO meta (key, value) VALUES ('generation', '4');
INSERT INTO folders (path) VALUES ('/documents');
INSERT INTO sources (id, folder, path, size, mtime_ns, sha256, status, reason, media_type, title, language, pages, passages, parser, indexed_at) VALUES (1, '/documents', 'data.xyz', 1, 1795252666332623065, '6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b', 'unsupported', 'Files of the kind .xyz are not supported. Cita reads PDF, Word (.docx), Markdown, HTML and text files.', '', 'data', '', NULL, 0, 'none chunk/3/200/40', '2026-11-21T09:17:46+00:00');
INSERT INTO sources (id, folder, path, size, mtime_ns, sha256, status, reason, media_type, title, language, pages, passages, parser, indexed_at) VALUES (2, '/documents', 'empty.txt', 2, 1795252666332330199, 'e16f1596201850fd4a63680b27f603cb64e67176159be3d8ed78a4403fdb1700', 'empty', 'No text in it.', '', 'empty', '', NULL, 0, 'text/1 charset-normalizer 3.5.2 chunk/3/200/40', '2026-11-21T09:17:46+00:00');
INSERT INTO sources (id, folder, path, size, mtime_ns, sha256, status, reason, media_type, title, language, pages, passages, parser, indexed_at) VALUES (3, '/documents', 'lease.md', 63, 1795252666331674225, '87183a1333fc0e6838b536cf3ff090f6ba0ccf31c44b067d71cd546ca2a39722', 'indexed', '', 'text/markdown', 'Lease', 'en', NULL, 2, 'markdown/1 markdown-it-py 4.3.0 chunk/3/200/40', '2026-11-21T09:17:46+00:00');
INSERT INTO sources (id, folder, path, size, mtime_ns, sha256, status, reason, media_type, title, language, pages, passages, parser, indexed_at) VALUES (4, '/documents', 'póliza.md', 63, 1795252666331969135, '0854c62f541783eb11ffcb1c92eb28119b85aba921ae025b9748ce79b183a5bb', 'indexed', '', 'text/markdown', 'Póliza', 'es', NULL, 1, 'markdown/1 markdown-it-py 4.3.0 chunk/3/200/40', '2026-11-21T09:17:46+00:00');
INSERT INTO passages (row, id, source, position, text, headings, kind, page, page_to, spans, tokens, language, vector) VALUES (1, 'cb95c86bd4f4f6d73a1730c6', 3, 0, 'The rent is 900 euros.', '["Lease"]', 'paragraph', NULL, NULL, '[[null, 9, 31]]', 9, 'en', 'a6ce5df67a4c87855f67ab17827dbfab');
INSERT INTO passages (row, id, source, position, text, headings, kind, page, page_to, spans, tokens, language, vector) VALUES (2, '58eedb921170b4c068c2cad8', 3, 1, 'No pets are allowed.', '["Lease", "Pets"]', 'paragraph', NULL, NULL, '[[null, 42, 62]]', 9, 'en', '42480d0c10fca0b81cc9dcbba223efcb');
INSERT INTO passages (row, id, source, position, text, headings, kind, page, page_to, spans, tokens, language, vector) VALUES (3, 'd985cd33b3a4ccd0c8cac5c1', 4, 0, 'La franquicia por daños por agua es de cien euros.', '["Póliza"]', 'paragraph', NULL, NULL, '[[null, 10, 60]]', 14, 'es', '00a90008827bb08fde016827e6c0c0d3');
INSERT INTO vectors (key, value) VALUES ('00a90008827bb08fde016827e6c0c0d3', X'F105513E6FC41C3FEB05D13EEB05D13EEB05D13EF105513E302D5B34302D5B34302D5B34F105513E302D5B34302D5B34302D5B34302D5B34302D5B34302D5B34');
INSERT INTO vectors (key, value) VALUES ('42480d0c10fca0b81cc9dcbba223efcb', X'ADAAAA3EADAAAA3EADAAAA3EA8AA2A3FADAAAA3EF4F4B234ADAAAA3EF4F4B234F4F4B234F4F4B234F4F4B234F4F4B234F4F4B234F4F4B234F4F4B234F4F4B234');
INSERT INTO vectors (key, value) VALUES ('a6ce5df67a4c87855f67ab17827dbfab', X'B55F9A3EB55F9A3EB15F1A3FB55F9A3EB15F1A3F61DFA13461DFA13461DFA13461DFA13461DFA13461DFA13461DFA13461DFA13461DFA13461DFA13461DFA134');
INSERT INTO terms (rowid, title, headings, body) VALUES (1, 'leas', 'leas', 'rent 900 euro');
INSERT INTO terms (rowid, title, headings, body) VALUES (2, 'leas', 'leas pet', 'pet allow');
INSERT INTO terms (rowid, title, headings, body) VALUES (3, 'poliz', 'poliz', 'franquici dan agu cien eur');
