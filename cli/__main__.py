"""`python -m cli` is `cita`."""

from cli import main

if __name__ == "__main__":
    main()
