"""Whether an element is what a play expects: the patterns of `S:` (see play.py)."""
import re


class Matcher:
    """Whether an element is what a pattern says; remembers what its {names} stood for."""

    def __init__(self, variables):
        self.variables = variables

    def text(self, pattern, value):
        if pattern == "*":
            return True
        names = []

        def group(match):
            names.append(match[1])
            return "(.+?)"

        # Not re.escape alone: names stand between braces, which it escapes.
        parts = re.split(r"(\{[a-z][a-z_.]*\})", pattern)
        expression = "".join(re.sub(r"\{(.+)\}", group, part) if part.startswith("{") else re.escape(part) for part in parts)
        match = re.fullmatch(expression, value, re.S)
        if match:
            self.variables.update(zip(names, match.groups()))
        return bool(match)

    def element(self, pattern, element, path=""):
        """'' or what is different."""
        path += "/" + pattern.tag.split("}")[-1]
        if pattern.tag != element.tag:
            return f"{path}: {pattern.tag} expected, found {element.tag}"
        more = "..." in (pattern.text or "")
        text = (pattern.text or "").replace("...", "").strip()
        for name, value in pattern.attrib.items():
            if name not in element.attrib:
                return f"{path}: attribute {name} is missing"
            if not self.text(value, element.get(name)):
                return f"{path}: {name}={element.get(name)!r}, expected {value!r}"
        extra = set(element.attrib) - set(pattern.attrib) - {"{http://www.w3.org/XML/1998/namespace}lang"}
        if extra and not more:
            return f"{path}: attributes too many: {extra}"
        if not (more and not text) and not self.text(text, (element.text or "").strip()):
            return f"{path}: text {element.text!r}, expected {text!r}"
        return self.children(list(pattern), list(element), more, path)

    def children(self, wanted, found, more, path):
        if not more and len(wanted) != len(found):
            return f"{path}: children {[child.tag for child in found]}, expected {[child.tag for child in wanted]}"
        for child in wanted:
            differences = [self.element(child, other, path) for other in (found if more else found[:1])]
            if not differences or all(differences):
                return differences[-1] if differences else f"{path}: {child.tag} is missing"
            found.pop(differences.index(""))
        return ""
