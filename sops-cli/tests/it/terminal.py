"""Runs a program on a terminal of its own, and answers what it asks there.

Arguments: a dialogue as JSON, [["what is awaited", "what is typed"], ...], and the program with its arguments. Its
standard streams are pipes; standard input is empty, so that nothing can be read but from the terminal. Prints JSON: the
exit code, standard output, standard error, what the terminal showed, and whether it echoes in the end. Gives up after a
minute.
"""

import json
import os
import pty
import select
import signal
import sys
import termios
import time

dialogue, command = json.loads(sys.argv[1]), sys.argv[2:]
out_read, out_write = os.pipe()
err_read, err_write = os.pipe()
child, terminal = pty.fork()
if child == 0:
    # While nothing has it open, the terminal cannot be read at the other end.
    os.set_inheritable(os.dup(0), True)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out_write, 1)
    os.dup2(err_write, 2)
    os.execvp(command[0], command)
os.close(out_write)
os.close(err_write)
texts = {terminal: b"", out_read: b"", err_read: b""}
opened, seen, echoes, deadline = set(texts), 0, None, time.monotonic() + 60
while opened - {terminal} and time.monotonic() < deadline:
    for stream in select.select(list(opened), [], [], 0.1)[0]:
        try:
            data = os.read(stream, 65536)
        except OSError:
            data = b""
        if data:
            texts[stream] += data
        else:
            opened.discard(stream)
    if dialogue and dialogue[0][0].encode() in texts[terminal][seen:]:
        seen = len(texts[terminal])
        # The question is shown before the program is ready for the answer.
        time.sleep(0.05)
        os.write(terminal, dialogue.pop(0)[1].encode())
    try:
        echoes = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
    except termios.error:
        pass
if opened - {terminal}:
    os.kill(child, signal.SIGKILL)
status = os.waitpid(child, 0)[1]
print(json.dumps({
    "code": os.waitstatus_to_exitcode(status),
    "stdout": texts[out_read].decode(),
    "stderr": texts[err_read].decode(),
    "terminal": texts[terminal].decode(),
    "unanswered": len(dialogue),
    "echoes": echoes,
}))
