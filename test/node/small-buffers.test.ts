/** CASES.md A 1: a connection whose buffers hold next to nothing. Node can't set them, so perl makes the connection. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertBytes, dataFile } from "../contract/support/files.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("small buffers");

/** Connects with buffers of 4 KiB, runs its arguments with the sending end as fd 3 and no output, and prints what the other end gets. */
const connector = `
  use Socket; use POSIX ();
  socket(my $server, PF_INET, SOCK_STREAM, 0) or die $!;
  setsockopt($server, SOL_SOCKET, SO_RCVBUF, 4096) or die $!;
  bind($server, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die $!;
  listen($server, 1) or die $!;
  socket(my $sender, PF_INET, SOCK_STREAM, 0) or die $!;
  setsockopt($sender, SOL_SOCKET, SO_SNDBUF, 4096) or die $!;
  connect($sender, getsockname($server)) or die $!;
  accept(my $receiver, $server) or die $!;
  if (fork() == 0) {
    close($receiver); close($server);
    POSIX::dup2(fileno($sender), 3);
    open(STDOUT, '>', '/dev/null');
    exec(@ARGV) or die $!;
  }
  close($sender);
  while ((my $count = sysread($receiver, my $bytes, 1000)) > 0) { syswrite(STDOUT, $bytes) }
  close($receiver); wait(); exit($? >> 8);
`;

for (const strategy of ["auto", "sendfile", "splice", "mapped", "buffered", "portable"]) {
  for (const kind of ["socket", "fd"]) {
    const blocking = kind === "fd" && (strategy === "sendfile" || strategy === "splice");
    test(`transfer() by ${strategy} of 131,088 bytes through buffers of 4 KiB to a ${kind} arrives whole (1)`, async () => {
      const { path, content } = dataFile(tempFolder(), 131_088);
      const script = fileURLToPath(new URL("support/send-to-fd.js", import.meta.url));
      const child = spawn("perl", ["-e", connector, process.execPath, script, path, strategy, kind]);
      const exit = once(child, "exit");
      const [received, errors] = await Promise.all([collect(child.stdout), collect(child.stderr)]);
      // perl's socket is in blocking mode, in which neither call can be kept from waiting.
      if (blocking) assert.match(errors.toString(), "ERR_SLUICE_UNSUPPORTED");
      else assertBytes(received, content, errors.toString());
      assert.equal(await exit, [blocking ? 1 : 0, null]);
    });
  }
}

test.run();
