"""Rows that a trainer logs are stored once and once only, whoever is slow, away, killed, or refuses."""

import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time
import unittest
import warnings

import grpc
import numpy as np
import telebridge
from double_server import Refusal
from durable import DurableTest, exists, spools
from helpers import HERE, PATIENCE_S, ROOT, wait_for

NEWEST = ROOT / ".tools/python-newest"
PICTURE = np.zeros((8, 8, 3), np.uint8)


class Stored(DurableTest):
    def test_all_kinds_of_rows(self) -> None:
        self.serve()
        before_ns = time.time_ns()
        run = self.init(tags=["one", "two"], params={"lr": 3e-4, "layers": (64, 64), "where": pathlib.Path("/tmp")})
        run.log({"a": 1, "b": np.float32(0.5), "é": np.array(2.0)}, step=7)
        run.log({"a": math.nan, "b": math.inf, "é": -math.inf})
        run.step(step=5, reward=1.5, episode=3)
        run.step(reward=0.5, terminated=True, action=np.array([1, 2]))
        run.episode(note="short")
        run.text("samples", "grüße", step=9, level="warning")
        run.histogram("weights", np.array([0.0, 0.1, 0.9, math.nan, 1.0]), bins=2, step=4)
        checkpoint = self.folder / "best.pt"
        checkpoint.write_bytes(os.urandom(3_000_000))
        run.checkpoint(checkpoint, step=8, metadata={"score": 1.0})
        self.assertTrue(run.flush(PATIENCE_S))
        rows = self.store.rows
        samples = [(row["series"], row["step"], row["value"]) for row in rows["samples"]]
        self.assertEqual(samples[:3], [("a", 7, 1.0), ("b", 7, 0.5), ("é", 7, 2.0)])
        self.assertEqual([(name, step) for name, step, _ in samples[3:]], [("a", None), ("b", None), ("é", None)])
        self.assertTrue(math.isnan(samples[3][2]))
        self.assertEqual([value for _, _, value in samples[4:]], [math.inf, -math.inf])
        self.assertTrue(all(before_ns <= row["time"] <= time.time_ns() for row in rows["samples"]))
        steps = [(row["step"], row["episode"], row["reward"], row["flags"]) for row in rows["steps"]]
        self.assertEqual(steps, [(5, 3, 1.5, 0), (6, 3, 0.5, 1)])
        self.assertEqual(rows["steps"][0]["extra"], "")
        self.assertEqual(json.loads(rows["steps"][1]["extra"]), {"action": [1, 2]})
        (episode,) = [row["row"] for row in rows["episodes"]]
        self.assertEqual((episode.episode, episode.first_step, episode.length, episode.episode_return), (3, 5, 2, 2.0))
        self.assertEqual((episode.terminated, episode.truncated), (True, False))
        self.assertEqual(json.loads(episode.extra_json), {"note": "short"})
        self.assertTrue(before_ns <= episode.start_time_unix_ns <= episode.end_time_unix_ns <= time.time_ns())
        (line,) = [row["row"] for row in rows["logs"]]
        self.assertEqual((line.source, line.text, line.step, line.level), ("samples", "grüße", 9, 3))
        (histogram,) = [row["row"] for row in rows["histograms"]]
        self.assertEqual((list(histogram.edges), list(histogram.counts)), ([0.0, 0.5, 1.0], [2, 2]))
        params = {row["row"].key: json.loads(row["row"].value_json) for row in rows["params"]}
        self.assertEqual(params, {"lr": 3e-4, "layers": [64, 64], "where": "/tmp"})
        (stored,) = rows["checkpoints"]
        self.assertEqual((stored["name"], stored["step"], stored["content"]), ("best.pt", 8, checkpoint.read_bytes()))
        (registered,) = {request.run_id for request in self.store.registered}
        self.assertEqual(registered, self.run_id)
        self.assertEqual(list(self.store.registered[0].tags), ["one", "two"])
        self.assertEqual(json.loads(self.store.registered[0].metadata_json)["pid"], os.getpid())
        self.assertEqual(spools(self.spool), [])

    def test_many_sets_of_names_and_large_messages(self) -> None:
        self.serve()
        run = self.init()
        for index in range(20_000):
            run.log({"x": index, f"y{index % 50}": index, f"z{index % 7}": 1})
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("x"), list(range(20_000)))
        self.assertEqual(self.values("y3"), list(range(3, 20_000, 50)))
        self.assertEqual(len(self.store.rows["samples"]), 60_000)

    def test_a_flush_until_synced(self) -> None:
        server = self.serve()
        run = self.init()
        run.log({"a": 1.0})
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(server.want_synced, 0)
        self.assertTrue(run.flush(PATIENCE_S, synced=True))
        self.assertGreater(server.want_synced, 0)
        self.assertEqual(self.values("a"), [1.0])

    def test_coalesced_values_are_the_last_of_their_slots(self) -> None:
        self.serve()
        run = self.init(coalesce_hz=10)
        end_s = time.monotonic() + 0.55
        count = 0
        while time.monotonic() < end_s:
            run.log({"fast": count, "twin": -count})
            count += 1
        run.log({"slow": 1.0})
        self.assertTrue(run.flush(PATIENCE_S))
        values = self.values("fast")
        self.assertEqual((values[0], values[-1]), (0.0, count - 1))
        self.assertEqual(values, sorted(set(values)))
        self.assertLessEqual(len(values), 14)
        self.assertEqual(len(values) * 2 + run.values_coalesced, count * 2)
        self.assertEqual(self.values("slow"), [1.0])

    def test_threads_share_a_run(self) -> None:
        self.serve()
        run = self.init()

        def work(number: int) -> None:
            for index in range(5000):
                run.log({f"thread{number}": index})

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(run.flush(PATIENCE_S))
        for number in range(4):
            self.assertEqual(self.values(f"thread{number}"), list(range(5000)))

    def test_a_run_that_only_shows_pictures_is_registered(self) -> None:
        self.serve()
        run = self.init()
        run.frame(PICTURE)
        wait_for("the run's registration", lambda: self.store.registered)
        run.finish()
        wait_for("the run's end", lambda: self.store.finished)
        self.assertEqual(dict(self.store.rows), {})


class Ends(DurableTest):
    def test_finish_and_failure(self) -> None:
        self.serve()
        run = self.init()
        run.log({"a": 1.0})
        run.finish()
        wait_for("the run's end", lambda: self.store.finished)
        self.assertEqual((self.store.finished[0].state, self.store.finished[0].reason), (2, ""))
        self.run_id += "-failed"
        with self.assertRaises(ZeroDivisionError), self.init() as failing:
            failing.log({"a": 1.0})
            1 / 0
        wait_for("the failed run's end", lambda: len(self.store.finished) == 2)
        finished = self.store.finished[1]
        self.assertEqual((finished.state, finished.reason), (3, "ZeroDivisionError: division by zero"))

    def script(self, code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        head = f"import telebridge, os, sys, signal, time\nrun = telebridge.init({self.run_id!r})\n"
        return subprocess.run(
            [sys.executable, "-c", head + textwrap.dedent(code)],
            env={**os.environ, **environment},
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def test_a_script_that_just_ends(self) -> None:
        self.serve()
        ended = self.script('for i in range(1000): run.log({"a": i})')
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "", ""))
        self.assertEqual(self.values("a"), list(range(1000)))
        wait_for("the run's end", lambda: self.store.finished)
        self.assertEqual(self.store.finished[0].state, 2)

    def test_a_summary_when_asked_for(self) -> None:
        self.serve()
        ended = self.script('for i in range(10): run.log({"a": i})', TELEBRIDGE_SUMMARY="1")
        self.assertIn("10 rows sent, 10 acked, 0 spooled, 0 dropped", ended.stderr)

    def test_a_script_that_raises_is_a_failed_run(self) -> None:
        self.serve()
        ended = self.script('run.log({"a": 1})\nraise RuntimeError("out of memory")')
        self.assertEqual(ended.returncode, 1)
        wait_for("the run's end", lambda: self.store.finished)
        self.assertEqual((self.store.finished[0].state, self.store.finished[0].reason), (3, "RuntimeError: out of memory"))

    def test_a_trainer_killed_loses_nothing_that_it_logged(self) -> None:
        self.serve()
        code = """
            run.log({"b": 0})
            for i in range(1, 20000): run.log({"b": i})
            print(run._lane._sender.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
        killed = self.script(code)
        self.assertEqual(killed.returncode, -signal.SIGKILL)
        wait_for("all rows", lambda: len(self.values("b")) == 20000)
        self.assertEqual(self.values("b"), list(range(20000)))
        wait_for("the sender's end", lambda: not exists(int(killed.stdout)))
        self.assertEqual(self.store.finished, [])

    def test_no_server_at_all_and_the_next_run_sends_the_spool(self) -> None:
        ended = self.script('for i in range(1000): run.log({"old": i})\nrun.step(reward=1.0)')
        self.assertEqual((ended.returncode, ended.stdout), (0, ""))
        self.assertRegex(ended.stderr, r"rows are kept in .*spool until one is there")
        self.assertRegex(ended.stderr, r"0 rows sent, 0 acked, 1001 spooled, 0 dropped")
        self.assertEqual(len(spools(self.spool)), 1)
        old_run_id = self.run_id
        self.serve()
        self.run_id += "-next"
        run = self.init()
        run.log({"new": 1.0})
        wait_for("the old rows", lambda: len(self.values("old")) == 1000)
        wait_for("the spool's end", lambda: not spools(self.spool))
        self.assertEqual(self.values("old"), list(range(1000)))
        self.assertEqual({row["run"] for row in self.store.rows["steps"]}, {old_run_id})
        self.assertEqual([request.run_id for request in self.store.finished], [old_run_id])

    def test_a_spool_for_another_server_is_left_alone(self) -> None:
        self.script('run.log({"old": 1})')
        os.rename(self.folder / "spool", self.folder / "elsewhere")
        described = next((self.folder / "elsewhere").glob("*~*/stream.json"))
        described.write_text(described.read_text().replace(str(self.folder / "data"), "/another/server"))
        os.rename(self.folder / "elsewhere", self.folder / "spool")
        self.serve()
        self.run_id += "-next"
        run = self.init()
        run.log({"new": 1.0})
        self.assertTrue(run.flush(PATIENCE_S))
        run.finish()
        wait_for("the sender's end", lambda: run._lane._sender_done)
        self.assertEqual((len(spools(self.spool)), self.values("old")), (1, []))


class Troubles(DurableTest):
    def test_a_server_that_goes_and_comes(self) -> None:
        run = self.init()
        for count in range(6):
            if count % 2:
                self.serve()
            else:
                self.stop_serving()
            for index in range(1000):
                run.log({"a": count * 1000 + index})
                if index % 100 == 0:
                    run.step(step=count * 1000 + index)
                    time.sleep(0.003)
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("a"), list(range(6000)))
        self.assertEqual([row["step"] for row in self.store.rows["steps"]], list(range(0, 6000, 100)))

    def test_a_server_long_away_fills_the_spool_and_gets_it_in_order(self) -> None:
        run = self.init()
        for index in range(3000):
            run.log({"a": index})
        wait_for("the spool", lambda: run._lane.counts()["spooled"] == 3000)
        for index in range(3000, 6000):
            run.log({"a": index})
        self.serve()
        for index in range(6000, 9000):
            run.log({"a": index})
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("a"), list(range(9000)))
        wait_for("an empty spool", lambda: not spools(self.spool))

    def test_acknowledgements_that_do_not_come(self) -> None:
        server = self.serve()
        server.holds_acks.set()
        run = self.init()
        for index in range(100):
            run.log({"a": index})
        self.assertFalse(run.flush(0.5))
        wait_for("the rows", lambda: len(self.values("a")) == 100)
        self.stop_serving()
        self.serve()
        run.log({"a": 100})
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("a"), list(range(101)), "sent again, stored once")

    def test_few_credits(self) -> None:
        server = self.serve()
        server.credits = 100
        run = self.init()
        most = []
        server.before_commit = lambda kind, rows: most.append(len(rows))
        for index in range(5000):
            run.log({"a": index})
            if index % 50 == 0:
                time.sleep(0.001)
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("a"), list(range(5000)))

    def test_senders_killed_again_and_again(self) -> None:
        self.serve()
        run = self.init()
        logged = 0
        killed = set()
        give_up_s = time.monotonic() + PATIENCE_S
        while len(killed) < 4 and time.monotonic() < give_up_s:
            for _ in range(50):
                run.log({"a": logged})
                logged += 1
            time.sleep(0.002)
            if logged >= (len(killed) + 1) * 3000:
                pid = self.sender_pid(run)
                if pid not in killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
        self.assertEqual(len(killed), 4)
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("a"), list(range(logged)))

    def test_a_sender_killed_while_the_server_is_away(self) -> None:
        run = self.init()
        for index in range(2000):
            run.log({"a": index})
        wait_for("the spool", lambda: run._lane.counts()["spooled"] == 2000)
        os.kill(self.sender_pid(run), signal.SIGKILL)
        for index in range(2000, 4000):
            run.log({"a": index})
        self.serve()
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("a"), list(range(4000)))

    def test_rows_that_the_server_refuses_do_not_stop_the_others(self) -> None:
        server = self.serve()

        def refuse(kind: str, rows: list) -> None:
            if any(row.get("value") == 666 for row in rows):
                raise Refusal("row 3 is cursed")

        server.before_commit = refuse
        run = self.init()
        run.log({"a": 1.0})
        self.assertTrue(run.flush(PATIENCE_S))
        run.log({"a": 666.0})
        wait_for("the refusal", lambda: run._lane.counts()["rejected"] == 1)
        run.log({"a": 2.0})
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("a"), [1.0, 2.0])
        self.assertEqual(len(self.values("telebridge/rejected")), 1)

    def test_a_server_that_has_lost_its_data(self) -> None:
        self.serve()
        run = self.init()
        for index in range(100):
            run.log({"a": index})
        self.assertTrue(run.flush(PATIENCE_S))
        self.stop_serving()
        self.store.clear()
        self.serve()
        for index in range(100, 200):
            run.log({"a": index})
        wait_for("the rows that were not acknowledged", lambda: len(self.values("a")) == 100)
        for index in range(200, 300):
            run.log({"a": index})
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(sorted(self.values("a")), list(range(100, 300)))

    def test_a_torn_end_of_a_segment_is_passed_over(self) -> None:
        run = self.init()
        run.log({"a": 1.0})
        wait_for("the spool", lambda: run._lane.counts()["spooled"] == 1)
        (segment,) = self.spool.glob("*~*/*.seg")
        os.kill(self.sender_pid(run), signal.SIGKILL)
        with open(segment, "ab") as file:
            file.write(b"\x50\x00\x00\x00half an entry")
        run.log({"a": 2.0})
        self.serve()
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.values("a"), [1.0, 2.0])

    def test_a_full_queue_drops_the_newest_and_counts_them(self) -> None:
        code = f"""if True:
            import os, telebridge
            run = telebridge.init({self.run_id!r})
            run.log({{"a": -1}})
            os.environ["X"] = "1"
            names = [f"n{{i}}" for i in range(1000)]
            for index in range(4000):
                run.log(dict.fromkeys(names, index))
            print(run.rows_dropped > 0, run.rows_dropped % 1000)
            import sys; sys.stdout.flush()
        """
        child = self.start_python_with(code, env={"TELEBRIDGE_SPOOL_BYTES_MAX": "1000"}, stderr=subprocess.PIPE)
        output, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual(output, "True 0\n")
        self.assertRegex(errors, "loses rows: the queue to its sender is full")
        self.assertRegex(errors, "has reached its limit of 1000 bytes")
        self.assertRegex(errors, r"[1-9]\d+ dropped")


class Newest(DurableTest):
    """grpcio and protobuf of PyPI, years newer than Debian 12's, which all other tests run with."""

    def test_rows_through_the_newest_grpcio_and_protobuf(self) -> None:
        if not (NEWEST / "grpcio-installed").exists():
            self.skipTest("the newest grpcio is not installed and PyPI could not be reached")
        self.serve()
        code = f"""if True:
            import google.protobuf, grpc, telebridge
            run = telebridge.init({self.run_id!r})
            for index in range(1000):
                run.log({{"a": index, "b": 1}}, step=index)
                run.step(step=index, note="x")
            run.episode()
            run.text("a", "b")
            run.histogram("h", [1, 2, 3])
            run.checkpoint(__import__("os").path.abspath("run.py"))
            print(run.flush(20), run.flush(20, synced=True))
            print(grpc.__version__, google.protobuf.__version__)
        """
        child = self.start([NEWEST / "bin/python", "-c", code], cwd=HERE, stdout=subprocess.PIPE)
        answers, versions = child.communicate(timeout=PATIENCE_S)[0].splitlines()
        self.assertEqual(answers, "True True")
        self.assertNotEqual(versions.split()[0], grpc.__version__, "not Debian's")
        self.assertEqual(self.values("a"), list(range(1000)))
        self.assertEqual(len(self.store.rows["steps"]), 1000)
        self.assertEqual(len(self.store.rows["checkpoints"]), 1)


class Lanes(DurableTest):
    def test_a_forked_child_writes_nothing(self) -> None:
        self.serve()
        run = self.init()
        run.log({"a": 1.0})
        later = telebridge.init(self.run_id + "-later")
        self._runs.append(later)
        pid = os.fork()
        if pid == 0:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                run.log({"a": 2.0})
                run.log({"b": 2.0})
                run.step()
                later.log({"b": 3.0})
                is_told = ["a forked child cannot publish" in str(warning.message) for warning in caught]
            os._exit(0 if is_told == [True, True] else 1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0, "one warning for each run")
        later.log({"c": 4.0})
        self.assertTrue(later.flush(PATIENCE_S))
        self.assertEqual(self.values("c"), [4.0])
        run.log({"a": 3.0})
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual((self.values("a"), self.values("b")), ([1.0, 3.0], []))
        self.assertEqual(len(self.store.rows["steps"]), 0)

    def test_signal_handlers_at_every_instruction_of_log(self) -> None:
        self.serve()
        code = f"""
            import json, telebridge
            run = telebridge.init({self.run_id!r})
            number = calls = 0

            def act():
                run.log({{"inner": calls}})

            while True:
                number += 1
                calls += 1
                trace = Interruption(number, act)
                sys.settrace(trace)
                run.log({{"outer": calls}})
                sys.settrace(None)
                if trace.left > 0:
                    break
            assert number > 50, number
            assert run.flush(20)
            print(calls)
        """
        from test_interrupted import INTERRUPTING

        child = self.start_python_with(INTERRUPTING + textwrap.dedent(code))
        calls = int(child.communicate(timeout=PATIENCE_S)[0])
        self.assertEqual(self.values("outer"), list(range(1, calls + 1)))
        self.assertEqual(sorted(self.values("inner")), list(range(1, calls)))

    def test_finish_at_every_instruction_of_log(self) -> None:
        """No record is half there, nothing waits for itself, and what is logged after it is refused."""
        code = """
            import telebridge
            from telebridge import _layout, _lane
            from telebridge._queue import QueueReader
            _lane.Lane._spawn = lambda lane, now_s: None  # hundreds of senders would take minutes
            number = 0
            while True:
                number += 1
                run = telebridge.init(f"RUN-{number}")
                run.log({"first": 1.0})
                trace = Interruption(number, run.finish)
                sys.settrace(trace)
                try:
                    run.log({"second": 2.0})
                except telebridge.TelebridgeError as error:
                    assert "finished" in str(error), error
                finally:
                    sys.settrace(None)
                reader = QueueReader(run._lane.queue.fd)
                block = reader.read(0, 1 << 20)
                names = [reader.layouts[layout] for layout, _ in block.samples]
                assert names in ([("first",)], [("first",), ("second",)]), names
                if trace.left > 0:
                    break
                assert [kind for kind, _, _ in block.others] == [_layout.KIND_FINISH], block.others
            assert number > 50, number
            print("ended", flush=True)
            import os
            os._exit(0)
        """
        from test_interrupted import INTERRUPTING

        child = self.start_python_with(INTERRUPTING + textwrap.dedent(code).replace("RUN", self.run_id))
        self.assertEqual(child.communicate(timeout=PATIENCE_S)[0], "ended\n")

    def test_without_grpcio_one_warning_says_what_to_install(self) -> None:
        code = f"""if True:
            import importlib.machinery, sys
            class Without:
                def find_spec(self, name, *_):
                    if name.split(".")[0] == "grpc":
                        raise ModuleNotFoundError(name)
            sys.meta_path.insert(0, Without())
            import numpy, telebridge
            run = telebridge.init({self.run_id!r})
            run.frame(numpy.zeros((4, 4), "uint8"))
            for _ in range(3): run.log({{"a": 1}}); run.step()
            print(run.flush(1))
        """
        child = self.start_python_with(code, stderr=subprocess.PIPE)
        output, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual(output, "False\n")
        self.assertEqual(errors.count("RuntimeWarning"), 1, errors)
        self.assertIn("grpcio cannot be imported. Install: pip install 'telebridge[durable]'", errors)
        self.assertIn("<string>:11", errors, "the warning is at the caller's line")

    def test_durable_false_stores_nothing_and_says_nothing(self) -> None:
        self.serve()
        run = telebridge.init(self.run_id, durable=False)
        run.log({"a": 1.0})
        run.step(reward=1.0)
        run.episode()
        run.params({"a": 1})
        run.text("a", "b")
        self.assertFalse(run.flush(1))
        run.finish()
        self.assertEqual(self.store.registered, [])

    def test_a_wrapped_environment_stores_steps_and_episodes(self) -> None:
        from test_wrap import Corridor

        self.serve()
        env = telebridge.wrap(Corridor(), self.run_id)
        self._runs.append(env.run)
        for _ in range(2):
            env.reset()
            for _ in range(3):
                env.step(1)
        self.assertTrue(env.run.flush(PATIENCE_S))
        steps = [(row["step"], row["episode"], row["reward"], row["flags"]) for row in self.store.rows["steps"]]
        flags = [0, 0, 1, 0, 0, 1]
        self.assertEqual(steps, [(n + 1, n // 3 + 1, 0.5, flags[n]) for n in range(6)])
        episodes = [row["row"] for row in self.store.rows["episodes"]]
        self.assertEqual([(e.episode, e.first_step, e.length, e.episode_return) for e in episodes], [(1, 1, 3, 1.5), (2, 4, 3, 1.5)])

    def test_a_wrapped_environment_may_store_none(self) -> None:
        from test_wrap import Corridor

        self.serve()
        env = telebridge.wrap(Corridor(), self.run_id, store_steps=False)
        self._runs.append(env.run)
        env.reset()
        env.step(1)
        env.run.log({"a": 1.0})
        self.assertTrue(env.run.flush(PATIENCE_S))
        self.assertEqual(len(self.store.rows["steps"]), 0)


if __name__ == "__main__":
    unittest.main()
