import { act, cleanup, renderHook } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useTrainingJob } from "../src/api/hooks/training";
import type { Frame } from "../src/api/training/contracts.gen";
import { FakeSocket } from "./fakesocket";
import { SimulatedJob } from "./histories";

const getToken = async () => "token";

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.install();
});

afterEach(async () => {
  cleanup();
  await vi.advanceTimersByTimeAsync(1000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const options = { tenant: "corner-bakery", jobId: "job-1", getToken };
const settle = () => act(() => vi.advanceTimersByTimeAsync(100));

it("opens one socket in StrictMode and shows what it says", async () => {
  const { result } = renderHook(() => useTrainingJob(options), { wrapper: StrictMode });
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
  expect([result.current.status.kind, result.current.known]).toEqual(["connecting", false]);
  const job = new SimulatedJob(2);
  job.analyse();
  FakeSocket.last.accept(job.snapshots[0] as Frame, ...job.frames);
  await settle();
  expect([result.current.status.kind, result.current.job.progress]).toEqual(["live", 20]);
});

it("is shared by many components and follows a change of the job", async () => {
  const first = renderHook(() => useTrainingJob(options));
  renderHook(() => useTrainingJob(options));
  const moving = renderHook(({ jobId }) => useTrainingJob({ ...options, jobId }), { initialProps: { jobId: "job-1" } });
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
  moving.rerender({ jobId: "job-2" });
  await settle();
  expect(FakeSocket.last.url).toContain("/jobs/job-2/live");
  first.unmount();
  cleanup();
  await settle();
  await act(() => vi.advanceTimersByTimeAsync(600));
  expect(FakeSocket.all.every((socket) => socket.closedByPage)).toBe(true);
});
