"""``python -m overtrace``: the command line, where its script is not on the path."""

from overtrace.cli.main import main

if __name__ == "__main__":
    main()
