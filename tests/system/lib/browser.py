"""
Debian's Chromium without a window, driven by its own protocol over two pipes (descriptors 3 and 4, messages end with NUL).

    with Browser() as page: page.open(url); page.value("document.title"); page.screenshot(dark=True)
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

WAIT_S = 180


class Browser:
    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="browser-")
        theirs, self.to = os.pipe()
        self.of, theirs_too = os.pipe()

        def descriptors():
            first, second = os.dup(theirs), os.dup(theirs_too)
            os.dup2(first, 3)
            os.dup2(second, 4)

        words = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--remote-debugging-pipe", f"--user-data-dir={self.home}", "--window-size=1400,1500", "about:blank"]
        self.process = subprocess.Popen(words, preexec_fn=descriptors, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": self.home})
        os.close(theirs)
        os.close(theirs_too)
        self.bytes, self.number, self.session = b"", 0, None
        self.requests, self.complaints = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.to)
        os.close(self.of)
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _next(self, deadline):
        while b"\0" not in self.bytes:
            if not select.select([self.of], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            more = os.read(self.of, 1 << 20)
            if not more:
                raise RuntimeError("the browser has ended")
            self.bytes += more
        message, self.bytes = self.bytes.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message):
        method, about = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Runtime.exceptionThrown" or method == "Log.entryAdded" or (method == "Runtime.consoleAPICalled" and about["type"] == "error"):
            self.complaints.append(about)

    def call(self, method, **arguments):
        self.number += 1
        message = {"id": self.number, "method": method, "params": arguments}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + WAIT_S
        while (answer := self._next(deadline)).get("id") != self.number:
            self._note(answer)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def open(self, url):
        self.call("Page.navigate", url=url)

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def dark(self, dark):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def width(self, pixels):
        self.call("Emulation.setDeviceMetricsOverride", width=pixels, height=1000, deviceScaleFactor=1, mobile=False)

    def screenshot(self):
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
