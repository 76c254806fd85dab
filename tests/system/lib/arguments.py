"""What commands of the tests accept on their command lines, for argparse: what is out of bounds is said in one line."""
import argparse


def number(least, most, kind=int):
    """The `type` of an option that is a number from `least` to `most`."""

    def read(text):
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return value

    return read
