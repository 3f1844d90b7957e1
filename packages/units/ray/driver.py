"""Does units of a plan over a Ray cluster. The job that runners/ray.ts submits runs it on the head, where only Ray is.

What to do comes as JSON in DRF_RAY_JOB; what happens goes to standard output as lines of JSON. A unit is a process
`COMMAND PLAN INDEX`. All tries are counted here, so Ray itself is told not to retry: its retries after a lack of memory
have no end, and nobody would hear of them.
"""
import base64, collections, json, os, shlex, signal, subprocess, tempfile, time
import ray

JOB = json.loads(base64.b64decode(os.environ["DRF_RAY_JOB"]))
NEVER, AGAIN = 65, 75
AGAIN_TRIES, LOST_TRIES = 3, 5  # of a unit that asks for another try; of one whose process, worker or machine dies
ALIKE = 20  # tries that fail alike before anything was done: then the whole is wrong, not a unit
NEEDS = {"CPU": JOB["cores"], "GPU": JOB["gpus"], "memory": JOB["memoryBytes"]}


def perform(job, index):
    """In a worker: runs one unit. Gives its exit code (None: it did not start), its last lines, and the machine."""
    where = ray.util.get_node_ip_address()
    hidden = ("DRF_RAY_DRIVER", "DRF_RAY_JOB", "RAY_AUTH_TOKEN")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    threads = str(max(1, int(job["cores"])))
    env.update(DRF_UNIT_PARENT="stdin", OMP_NUM_THREADS=threads, VIPS_CONCURRENCY=threads)
    cwd = job["folder"] if os.path.isdir(job["folder"]) else None
    with tempfile.TemporaryFile() as errors:
        try:  # the pipe closes when this worker dies, however it dies, and then the unit ends, too
            command = [*shlex.split(job["command"]), job["plan"], str(index), *job["options"]]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=env, cwd=cwd)
        except OSError as error:
            return None, [str(error)], where
        code = child.wait()
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4000))
        text = errors.read().decode("utf-8", "replace")
    return code, [line.strip() for line in text.splitlines() if line.strip()][-4:], where


def tell(kind, **more):
    print(json.dumps({"kind": kind, **more}), flush=True)


def indices(ranges):
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def lanes():
    """Units in flight. By default so many that an autoscaler, too, sees that more could be done."""
    if JOB["lanes"] is not None:
        return JOB["lanes"]
    there = ray.cluster_resources()
    fitting = min(there.get(name, 0) // need for name, need in NEEDS.items() if need > 0)
    return max(16, 2 * int(fitting))


def outcome(reference):
    """How a try ended: (kind, reason, where, bound of tries)."""
    try:
        code, lines, where = ray.get(reference)
    except (ray.exceptions.RayError, ray.exceptions.RayTaskError) as error:
        lost = "out of memory: " if isinstance(error, ray.exceptions.OutOfMemoryError) else ""
        return "again", lost + " ".join(str(error).split())[:300], None, LOST_TRIES
    if code == 0:
        return "done", None, where, 0
    if code == NEVER:
        return "failed", lines[-1] if lines else "no reason given", where, 0
    said = f"; it said: {' / '.join(lines)[-1000:]}" if lines else ""
    if code is None:
        return "again", f"the unit does not start on {where}: {' '.join(lines)}", where, AGAIN_TRIES
    if code < 0:
        memory = " (out of memory?)" if code == -signal.SIGKILL else ""
        return "again", f"signal {signal.Signals(-code).name}{memory} on {where}{said}", where, LOST_TRIES
    return "again", lines[-1] if code == AGAIN and lines else f"exit code {code}{said}", where, AGAIN_TRIES


def warn_of_needs():
    """Says what no machine has: then Ray waits for one that may never come."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(name, 0) >= need for name, need in NEEDS.items()) for node in nodes):
        wanted = ", ".join(f"{need:g} {name}" for name, need in NEEDS.items() if need > 0)
        tell("warning", reason=f"none of {len(nodes)} machines has {wanted}, which a unit takes; Ray waits for one")


def main():
    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    tell("ready")
    warn_of_needs()
    options = {"num_cpus": NEEDS["CPU"], "num_gpus": NEEDS["GPU"], "max_retries": 0}
    if NEEDS["memory"] > 0:
        options["memory"] = NEEDS["memory"]
    unit = ray.remote(**options)(perform)
    done, troubles, job = 0, [], ray.put(JOB)
    for stage in JOB["due"].split("|"):
        waiting, later, running, tries = collections.deque(indices(stage)), [], {}, collections.Counter()
        while waiting or later or running:
            now = time.monotonic()
            waiting.extendleft(index for when, index in later if when <= now)
            later = [(when, index) for when, index in later if when > now]
            free = lanes() - len(running)
            for _ in range(min(free, len(waiting))):
                index = waiting.popleft()
                running[unit.remote(job, index)] = index
            if not running:
                time.sleep(0.5)
                continue
            ready, _ = ray.wait(list(running), timeout=2)
            if ready:  # and all others that have ended, too
                ready, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
            for reference in ready:
                index = running.pop(reference)
                kind, reason, where, bound = outcome(reference)
                if kind == "done":
                    done += 1
                    tell(kind, index=index, where=where)
                    continue
                tries[index] += 1
                troubles.append(reason)
                if done == 0 and len(troubles) >= ALIKE and len(set(troubles)) == 1:
                    tell("broken", reason=reason)
                    return
                if kind == "again" and tries[index] < bound:
                    tell(kind, index=index, reason=reason)
                    later.append((time.monotonic() + 2 ** (tries[index] - 1), index))
                else:
                    tries_made = f" (the last of {tries[index]} tries)" if kind == "again" else ""
                    tell("failed", index=index, reason=reason + tries_made)
    tell("ended")


main()
