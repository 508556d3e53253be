"""What a test does to the emulator itself: its clock."""

import datetime
import json
import os
import urllib.request


class Emulator:
    def advance(self, time):
        """Moves the clock ahead. Returns what time it is then."""
        body = json.dumps({"advance": time}).encode()
        request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/_emulator/clock", data=body, method="POST")
        with urllib.request.urlopen(request) as answer:
            now = json.load(answer)["now"]
        return datetime.datetime.fromisoformat(now.replace("Z", "+00:00"))

    def next_minute(self):
        """A few seconds after the next whole minute, when the one before it has been judged."""
        now = self.advance("0s")
        left = 60 - now.second - now.microsecond / 1e6
        return self.advance(f"{round((left + 5) * 1000)}ms")
