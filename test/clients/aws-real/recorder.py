"""Calls with boto3, and a line of JSON for what each is answered."""

import datetime
import json

from botocore.exceptions import ClientError

# Another one at each run, or for each archive.
MASKED = ("ETag", "ChecksumCRC32")


class Recorder:
    def call(self, name, run):
        """Prints what `run` returns or is refused with, under the name of the call; returns it, None = refused."""
        try:
            told = run()
            self.tell(name, plain(told))
            return told
        except ClientError as error:
            response = error.response
            members = {key: value for key, value in response.items() if key not in ("Error", "ResponseMetadata", "Message")}
            refused = {
                "status": response["ResponseMetadata"]["HTTPStatusCode"],
                "code": response["Error"]["Code"],
                "text": without_id(response["Error"]["Message"]),
                **members,
            }
            self.tell(name, plain(refused))
            return None

    def tell(self, name, answer):
        print(json.dumps({"call": name, "answer": answer}, sort_keys=True), flush=True)


def invoked(answer):
    """An answer of invoke_endpoint as it came: status, headers and body."""
    metadata = answer["ResponseMetadata"]
    return {
        "status": metadata["HTTPStatusCode"],
        "type": answer["ContentType"],
        "variant": answer["InvokedProductionVariant"],
        "attributes": answer.get("CustomAttributes"),
        "body": answer["Body"].read().decode(),
    }


def plain(value):
    """As JSON, without what differs from run to run."""
    if isinstance(value, dict):
        return {
            key: "..." if key in MASKED else plain(one) for key, one in value.items() if key != "ResponseMetadata"
        }
    if isinstance(value, list):
        return [plain(one) for one in value]
    return "<time>" if isinstance(value, datetime.datetime) else value


def without_id(text):
    """`Request {uuid} is missing a target model header`."""
    begin, found, rest = text.partition("Request ")
    return f"{begin}Request <id>{rest[36:]}" if found and len(rest) > 36 and rest[8] == "-" else text
