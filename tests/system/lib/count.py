"""
Adds up the results of a run: count.py FILE... (meson's testlog.json, with TAP sub-tests in it; JUnit's XML of pytest; *.tap).
Prints what failed, and in the end `N passed, N failed[, N skipped]`. Exit code 1 when anything failed or nothing passed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

TAP = re.compile(r"^\s*(not )?ok\b(.*)$", re.M)


class Sum:
    def __init__(self):
        self.passed, self.failed, self.skipped, self.failures = 0, 0, 0, []

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)


def count_points(name, points, total):
    for no, rest in points:
        if no:
            total.fail(f"{name}: {rest.strip(' -')}")
        elif re.search(r"#\s*skip", rest, re.I):
            total.skipped += 1
        else:
            total.passed += 1


def add_meson(path, total):
    for line in open(path):
        test = json.loads(line)
        bad = test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
        points = TAP.findall(test.get("stdout") or "")
        failed = total.failed
        count_points(test["name"], points, total)
        if bad and total.failed == failed:  # it crashed, ran out of time, or has no sub-tests
            total.fail(f"{test['name']}: {test['result']}")
        elif not points:
            total.skipped += test["result"] == "SKIP"
            total.passed += test["result"] != "SKIP" and not bad


def add_tap(path, total):
    text = open(path).read()
    points = TAP.findall(text)
    count_points(pathlib.Path(path).stem, points, total)
    if not re.search(rf"^1\.\.{len(points)}$", text, re.M):
        total.fail(f"{path}: it did not come to its end")


def add_junit(path, total):
    for case in ET.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            total.fail(f"{case.get('classname')}: {case.get('name')}")
        elif "skipped" in kinds:
            total.skipped += 1
        else:
            total.passed += 1


KINDS = {".xml": add_junit, ".tap": add_tap, ".json": add_meson}


def main(paths):
    total = Sum()
    for path in paths:
        KINDS[pathlib.Path(path).suffix](path, total)
    for name in total.failures:
        print(f"failed: {name}")
    print(f"{total.passed} passed, {total.failed} failed" + (f", {total.skipped} skipped" if total.skipped else ""))
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
