"""The names that the proxy of the contract suite may use as well. They load the server, which other commands lack."""

from sarkmock.cli.listening import begin_listening, run_server
from sarkmock.cli.proxying import ProxyListener, open_proxy
from sarkmock.proxy.exchange import Pace, Passed, Record
from sarkmock.proxy.upstream import Timeouts
