//! A loaded model and its instances.
//!
//! This file and `port.rs` hold all unsafe code. The library is made by this crate from one shim, so its
//! functions have the types below; an instance and its ports stay on one thread and keep each other alive.

use crate::design::Initial;
use crate::error::{Error, Result};
use crate::header::{Direction, PortInfo};
use crate::port::{Input, Place, Port, Value};
use crate::shim;
use libloading::Library;
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void, CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

type Handle = *mut c_void;

/// The functions of the shim.
struct Functions {
    open: unsafe extern "C" fn(c_int, c_int) -> Handle,
    close: unsafe extern "C" fn(Handle),
    port: unsafe extern "C" fn(Handle, c_uint) -> *mut c_void,
    eval: unsafe extern "C" fn(Handle) -> c_int,
    message: unsafe extern "C" fn(Handle) -> *const c_char,
    trace: unsafe extern "C" fn(Handle, *const c_char) -> c_int,
    dump: unsafe extern "C" fn(Handle, c_ulonglong),
}

struct Loaded {
    functions: Functions,
    ports: Vec<PortInfo>,
    random: bool,
    /// Last, so that it is closed after everything that came out of it.
    _library: Library,
}

/// A built top; instances of it are independent of each other.
#[derive(Clone)]
pub struct Model(Arc<Loaded>);

impl Model {
    pub(crate) fn load(path: &Path, initial: Initial) -> Result<Model> {
        let failed = |source| Error::Load { path: path.to_path_buf(), source };
        // SAFETY: the file was linked by this crate; its initialisers are those of the C++ runtime and of
        // Verilator, which may run on any thread.
        let library = unsafe { Library::new(path) }.map_err(failed)?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the shim defines this name with the type of the field that it is stored in.
                *unsafe { library.get($name) }.map_err(failed)?
            };
        }
        let list: unsafe extern "C" fn() -> *const c_char = function!(b"verilated_ports\0");
        let functions = Functions {
            open: function!(b"verilated_open\0"),
            close: function!(b"verilated_close\0"),
            port: function!(b"verilated_port\0"),
            eval: function!(b"verilated_eval\0"),
            message: function!(b"verilated_message\0"),
            trace: function!(b"verilated_trace\0"),
            dump: function!(b"verilated_dump\0"),
        };
        // SAFETY: it returns a string literal of the library, which is loaded.
        let ports = shim::listed(&unsafe { CStr::from_ptr(list()) }.to_string_lossy());
        let random = initial == Initial::Random;
        Ok(Model(Arc::new(Loaded { functions, ports, random, _library: library })))
    }

    /// The ports of the top.
    pub fn ports(&self) -> &[PortInfo] {
        &self.0.ports
    }

    /// A new instance; the seed decides what registers hold before reset, if the model was built for that.
    pub fn instance(&self, seed: u64) -> Top {
        let random = if self.0.random { 2 } else { 0 };
        // Verilator reads 0 as "choose one", and draws alike from seeds that differ in few bits.
        let seed = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as c_int | 1;
        // SAFETY: the function takes any numbers and returns a new object that we own.
        let handle = unsafe { (self.0.functions.open)(random, seed) };
        Top(Rc::new(Instance {
            handle,
            loaded: self.0.clone(),
            stopped: Cell::new(false),
            traced: Cell::new(false),
        }))
    }
}

/// One object of the generated class.
pub(crate) struct Instance {
    handle: Handle,
    loaded: Arc<Loaded>,
    stopped: Cell<bool>,
    traced: Cell<bool>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and nobody else holds it: ports hold the `Rc` of this instance.
        unsafe { (self.loaded.functions.close)(self.handle) }
    }
}

/// One instance of a top: ports by name, and evaluation.
///
/// Copies share the instance.
#[derive(Clone)]
pub struct Top(Rc<Instance>);

impl Top {
    /// The ports of the top.
    pub fn ports(&self) -> &[PortInfo] {
        &self.0.loaded.ports
    }

    /// A port to be read, whichever way it points.
    pub fn port<V: Value>(&self, name: &str) -> Result<Port<V>> {
        let (index, info) = self.info(name)?;
        if !V::fits(info.width) {
            return Err(Error::Width { port: name.into(), width: info.width, value: V::BITS });
        }
        // SAFETY: the handle is alive, and the index is one of the list that the same shim gave.
        let pointer = unsafe { (self.0.loaded.functions.port)(self.0.handle, index as c_uint) };
        let place = Place { pointer: pointer.cast(), width: info.width, bytes: info.bytes() };
        // SAFETY: the pointer is to a member of that width, and the port keeps the instance alive.
        Ok(unsafe { Port::new(place, name, self.0.clone()) })
    }

    /// A port to be driven.
    pub fn input<V: Value>(&self, name: &str) -> Result<Input<V>> {
        let port = self.port(name)?;
        match self.info(name)?.1.direction {
            Direction::Input => Ok(Input::new(port)),
            Direction::Output => Err(Error::Direction { port: name.into() }),
        }
    }

    /// Whether there is such a port.
    pub fn has(&self, name: &str) -> bool {
        self.info(name).is_ok()
    }

    fn info(&self, name: &str) -> Result<(usize, &PortInfo)> {
        let ports = &self.0.loaded.ports;
        ports.iter().enumerate().find(|(_, port)| port.name == name).ok_or_else(|| Error::NoPort {
            port: name.into(),
            present: ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Lets everything settle that follows from the inputs as they are.
    #[inline]
    pub fn eval(&self) -> Result<()> {
        // SAFETY: the handle is alive; no reference into the instance exists, ports only copy.
        if !self.0.stopped.get() && unsafe { (self.0.loaded.functions.eval)(self.0.handle) } == 0 {
            return Ok(());
        }
        Err(self.stop())
    }

    /// What ended the model. It is not evaluated again: an end in the middle leaves half a cycle.
    #[cold]
    fn stop(&self) -> Error {
        self.0.stopped.set(true);
        // SAFETY: the handle is alive; the message is a string of the instance.
        let message = unsafe { CStr::from_ptr((self.0.loaded.functions.message)(self.0.handle)) };
        Error::Stopped { message: message.to_string_lossy().into_owned() }
    }

    /// Opens a waveform (VCD); the model must be built for that, and each instance writes one.
    pub fn trace_to(&self, path: &Path) -> Result<()> {
        let name = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        // SAFETY: the handle is alive, the name ends with a zero; a second waveform is refused here.
        let opened = !self.0.traced.get()
            && unsafe { (self.0.loaded.functions.trace)(self.0.handle, name.as_ptr()) } == 0;
        if !opened {
            return Err(Error::Found(format!(
                "no waveform {}: not built with trace, opened before, or the file cannot be written",
                path.display()
            )));
        }
        self.0.traced.set(true);
        Ok(())
    }

    /// Adds the values of this moment to the waveform, if one is open.
    pub fn dump(&self, time: u64) {
        if self.0.traced.get() {
            // SAFETY: the handle is alive and its waveform open.
            unsafe { (self.0.loaded.functions.dump)(self.0.handle, time) }
        }
    }
}
