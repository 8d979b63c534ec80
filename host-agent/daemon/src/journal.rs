//! The agent's log: one JSON object a line on standard error, with monotonic time.
//!
//! Lines leave through a thread of their own: a slow terminal never holds a heartbeat.

use crate::clock;
use crate::linux::link::required_mtu;
use serde_json::{json, Value};
use std::io::Write;
use std::sync::mpsc::{sync_channel, SyncSender};
use trine_core::{Log, SyncMtu};

/// Lines that wait for the writer; beyond that they are dropped and counted.
const LINES_MAX: usize = 4_096;

/// Where log lines go in.
#[derive(Clone)]
pub struct Journal {
    lines: SyncSender<Value>,
}

impl Journal {
    /// Starts the thread that writes.
    pub fn start() -> Self {
        let (lines, inbox) = sync_channel::<Value>(LINES_MAX);
        std::thread::spawn(move || {
            for line in inbox {
                let mut text = line.to_string();
                text.push('\n');
                // A closed standard error leaves nowhere to complain.
                let _ = std::io::stderr().write_all(text.as_bytes());
            }
        });
        Self { lines }
    }

    /// Writes `{"mono_us": …, "event": event, …fields}`.
    pub fn write(&self, event: &str, fields: Value) {
        let mut line = json!({ "mono_us": clock::local_us(), "event": event });
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields);
        }
        let _ = self.lines.try_send(line);
    }

    /// Writes an entry of the core; `name` turns members into names, `port` ports.
    pub fn core(&self, log: &Log, group: &str, name: &dyn Fn(u8) -> String, port: &dyn Fn(u8) -> String) {
        let term = |term: &formats::Term| format!("{}.{}", term.counter(), term.member());
        match log {
            Log::State(state) => self.write("state", json!({ "state": state.name() })),
            Log::Takeover { term: t, fence, last_heartbeat_us, verified_buckets, oldest_proof_us } => {
                let silence_us = match last_heartbeat_us {
                    0 => 0,
                    at => clock::local_us().saturating_sub(*at),
                };
                let fields = json!({
                    "group": group, "term": term(t), "fence": fence.name(),
                    "last_heartbeat_us": last_heartbeat_us, "silence_us": silence_us,
                    "verified_buckets": verified_buckets, "oldest_proof_ms": oldest_proof_us / 1_000,
                });
                self.write("takeover", fields);
            }
            // The steering thread reports when addresses are in place.
            Log::Serving(_) => {}
            Log::Released(t) => self.write("released", json!({ "group": group, "term": term(t) })),
            Log::Demoted(t, by) => {
                self.write("demoted", json!({ "group": group, "term": term(t), "by": name(*by) }));
            }
            Log::InSync(peer) => self.write("in_sync", json!({ "peer": name(*peer) })),
            Log::Path { peer, port: p, up } => {
                self.write("path", json!({ "peer": name(*peer), "path": port(*p), "up": up }));
            }
            Log::SyncLost(lost) => self.write("sync_lost", json!({ "lost": lost })),
            Log::SyncMtu { peer, mtu: SyncMtu::TooSmall { frame_bytes } } => {
                let text = format!(
                    "the sync link to {} loses frames of {frame_bytes} bytes: a device between has an MTU \
                     below {}",
                    name(*peer),
                    required_mtu(*frame_bytes as usize)
                );
                let fields = json!({ "peer": name(*peer), "frame_bytes": frame_bytes, "text": text });
                self.write("mtu_too_small", fields);
            }
            Log::SyncMtu { peer, mtu: SyncMtu::Ok | SyncMtu::Unproven } => {
                self.write("mtu_ok", json!({ "peer": name(*peer) }));
            }
            Log::MoveDone(Ok(to)) => self.write("move", json!({ "to": name(*to), "ok": true })),
            Log::MoveDone(Err(why)) => self.write("move", json!({ "ok": false, "why": why })),
            Log::Split(t) => self.write("split", json!({ "term": term(t) })),
            Log::JoinLost(key) => self.write("join_lost", json!({ "flow": format!("{key:?}") })),
            Log::Overrun => self.write("overrun", json!({})),
            Log::Audit { rows, missing, extra, took_us } => {
                let fields = json!({ "rows": rows, "missing": missing, "extra": extra, "took_us": took_us });
                self.write("audit", fields);
            }
            Log::Held(why) => self.write("held", json!({ "why": why })),
        }
    }
}
