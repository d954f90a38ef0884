"""The official client of Google Cloud KMS at the server made for the tests, by REST."""
import os

from google.auth.credentials import AnonymousCredentials
from google.cloud import kms_v1
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceRestTransport


class Token(AnonymousCredentials):
    """A token that somebody else got."""

    def apply(self, headers, token=None):
        headers["authorization"] = "Bearer " + os.environ["TOKEN"]

    def before_request(self, request, method, url, headers):
        self.apply(headers)


host = os.environ["ENDPOINT"].removeprefix("http://")
transport = KeyManagementServiceRestTransport(host=host, url_scheme="http", credentials=Token())
client = kms_v1.KeyManagementServiceClient(transport=transport)
plain = b"0123456789abcdef0123456789abcdef"
sealed = client.encrypt(request={"name": os.environ["KEY"], "plaintext": plain})
assert plain not in sealed.ciphertext
opened = client.decrypt(request={"name": os.environ["KEY"], "ciphertext": sealed.ciphertext})
assert opened.plaintext == plain
