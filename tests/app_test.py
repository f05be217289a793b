"""Streamlit's `AppTest`, as it is but for what it spends on waiting."""

from functools import cache

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest, local_script_runner

__all__ = ["AppTest"]
end_at_timeout = local_script_runner.require_widgets_deltas


def wait_for_script(runner: local_script_runner.LocalScriptRunner, timeout: float = 3.0) -> None:
    """Wait for the end of the script's thread: looking each millisecond takes the processor."""
    thread = runner._script_thread
    assert thread is not None
    thread.join(timeout)
    if thread.is_alive():
        end_at_timeout(runner, 0.0)


local_script_runner.require_widgets_deltas = wait_for_script
# Each AppTest looks through the metadata of all packages that are installed: half a second.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
