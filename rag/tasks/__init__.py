"""Tasks beyond a question: summarise, compare, tabulate, draft; done in parts that are kept (rag/tasks/run.py)."""
