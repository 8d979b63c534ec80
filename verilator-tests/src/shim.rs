//! The C++ between Rust and a generated class: pointers to ports, evaluation, waveform.
//!
//! Nothing throws across the border: whatever ends the model (`$finish`, `$stop`, a failed assertion, a
//! loop that does not settle) becomes a message, and the evaluation returns 1.

use crate::header::{Direction, PortInfo};

/// The source of the shim for a class with these ports.
pub(crate) fn source(ports: &[PortInfo]) -> String {
    let mut list = String::new();
    let mut cases = String::new();
    for (index, port) in ports.iter().enumerate() {
        let direction = match port.direction {
            Direction::Input => "in",
            Direction::Output => "out",
        };
        list.push_str(&format!("    \"{direction} {} {}\\n\"\n", port.width, port.name));
        cases.push_str(&format!("    case {index}: return &m.{};\n", port.member));
    }
    TEXT.replace("@LIST@", &list).replace("@CASES@", &cases)
}

/// Ports as the shim lists them.
pub(crate) fn listed(list: &str) -> Vec<PortInfo> {
    let port = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let direction = match words.next()? {
            "in" => Direction::Input,
            _ => Direction::Output,
        };
        let width = words.next()?.parse().ok()?;
        let name = words.next()?.to_owned();
        Some(PortInfo { member: name.clone(), name, direction, width })
    };
    list.lines().filter_map(port).collect()
}

/// What the runtime of Verilator calls instead of ending the process; linked once per library.
const TEXT: &str = r#"#include "Vmodel.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif
#include <exception>
#include <string>

namespace {
struct Stopped : std::exception {
    std::string text;
    Stopped(const char* file, int line, const char* what)
        : text(std::string(what) + " at " + (file ? file : "") + ":" + std::to_string(line)) {}
    const char* what() const noexcept override { return text.c_str(); }
};

struct Model {
    VerilatedContext context;
    Vmodel* top = nullptr;
    std::string message;
#if VM_TRACE
    VerilatedVcdC* trace = nullptr;
#endif
};

void* port(Vmodel& m, unsigned index) {
    switch (index) {
@CASES@    default: return nullptr;
    }
}

template <typename Act> int guarded(Model* model, Act act) {
    try {
        act();
        return 0;
    } catch (const std::exception& problem) {
        model->message = problem.what();
    } catch (...) {
        model->message = "unknown";
    }
    return 1;
}
}  // namespace

void vl_finish(const char* file, int line, const char*) VL_MT_UNSAFE { throw Stopped(file, line, "$finish"); }
void vl_stop(const char* file, int line, const char*) VL_MT_UNSAFE {
    throw Stopped(file, line, "$stop or a failed assertion");
}
void vl_fatal(const char* file, int line, const char*, const char* what) VL_MT_UNSAFE {
    throw Stopped(file, line, what);
}
double sc_time_stamp() { return 0; }

#define SHIM extern "C" __attribute__((visibility("default")))

SHIM const char* verilated_ports() {
    return ""
@LIST@        ;
}
SHIM void* verilated_open(int random, int seed) {
    Model* model = new Model;
    model->context.randReset(random);
    model->context.randSeed(seed);
#if VM_TRACE
    model->context.traceEverOn(true);
#endif
    model->top = new Vmodel(&model->context, "TOP");
    return model;
}
SHIM void verilated_close(void* handle) {
    Model* model = static_cast<Model*>(handle);
    guarded(model, [=] { model->top->final(); });
#if VM_TRACE
    delete model->trace;
#endif
    delete model->top;
    delete model;
}
SHIM void* verilated_port(void* handle, unsigned index) { return port(*static_cast<Model*>(handle)->top, index); }
SHIM int verilated_eval(void* handle) {
    Model* model = static_cast<Model*>(handle);
    return guarded(model, [=] { model->top->eval(); });
}
SHIM const char* verilated_message(void* handle) { return static_cast<Model*>(handle)->message.c_str(); }
SHIM int verilated_trace(void* handle, const char* path) {
#if VM_TRACE
    Model* model = static_cast<Model*>(handle);
    model->trace = new VerilatedVcdC;
    model->top->trace(model->trace, 99);
    model->trace->open(path);
    return model->trace->isOpen() ? 0 : 1;
#else
    (void)handle;
    (void)path;
    return 1;
#endif
}
SHIM void verilated_dump(void* handle, unsigned long long time) {
#if VM_TRACE
    static_cast<Model*>(handle)->trace->dump(static_cast<uint64_t>(time));
#else
    (void)handle;
    (void)time;
#endif
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_ports_is_read_back() {
        let port = |name: &str, direction, width| PortInfo {
            name: name.into(),
            direction,
            width,
            member: name.into(),
        };
        let ports = [port("clock", Direction::Input, 1), port("m_axis_tdata", Direction::Output, 512)];
        let text = source(&ports);
        let lines: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\\n\"")).collect();
        assert_eq!(listed(&lines.join("\n")), ports);
        assert!(text.contains("case 1: return &m.m_axis_tdata;"));
    }
}
