//! Typed handles of ports: resolved once by name, read and written like variables.
//!
//! A value of 64 bits or less is a load or a store and a compare; a wide one is a copy of its bytes. Byte
//! k is bits 8k to 8k+7, which on a little-endian machine is how Verilator keeps its 32-bit words.

use crate::model::Instance;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

#[cfg(target_endian = "big")]
compile_error!("ports are copied as little-endian bytes");

/// Where a port lies.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) pointer: *mut u8,
    pub(crate) width: u32,
    /// Bytes of the member: 1, 2, 4, 8 or a multiple of 4.
    pub(crate) bytes: usize,
}

mod sealed {
    /// Types that are nothing but bytes: any bytes are a value, and there is no padding.
    ///
    /// # Safety
    /// Implementors must be such types.
    pub unsafe trait Plain: Copy {}
}
use sealed::Plain;

// SAFETY: integers and arrays of integers.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for u128 {}
// SAFETY: as above.
unsafe impl<const N: usize> Plain for [u8; N] {}
// SAFETY: as above.
unsafe impl<const N: usize> Plain for [u32; N] {}

/// What a port can be read as: an unsigned integer, a `bool`, or an array, low part first.
pub trait Value: Copy {
    /// The bytes behind the type.
    #[doc(hidden)]
    type Raw: Plain;
    /// Bits that it holds.
    const BITS: u32;
    #[doc(hidden)]
    const ZERO: Self::Raw;
    #[doc(hidden)]
    fn from_raw(raw: Self::Raw) -> Self;
    #[doc(hidden)]
    fn into_raw(self) -> Self::Raw;
    /// Whether a port of this width can be read as it.
    fn fits(width: u32) -> bool {
        width <= Self::BITS
    }
}

macro_rules! plain_value {
    ($(($type:ty, $zero:expr $(, $count:ident)?)),*) => {$(
        impl $(<const $count: usize>)? Value for $type {
            type Raw = $type;
            const BITS: u32 = 8 * size_of::<$type>() as u32;
            const ZERO: $type = $zero;
            #[inline]
            fn from_raw(raw: $type) -> $type {
                raw
            }
            #[inline]
            fn into_raw(self) -> $type {
                self
            }
        }
    )*};
}
plain_value!((u8, 0), (u16, 0), (u32, 0), (u64, 0), (u128, 0), ([u8; N], [0; N], N), ([u32; N], [0; N], N));

impl Value for bool {
    type Raw = u8;
    const BITS: u32 = 1;
    const ZERO: u8 = 0;
    #[inline]
    fn from_raw(raw: u8) -> bool {
        raw != 0
    }
    #[inline]
    fn into_raw(self) -> u8 {
        self.into()
    }
}

/// A port of a top, to be read as `V`.
pub struct Port<V> {
    place: Place,
    name: Rc<str>,
    /// Keeps what the place points into alive.
    _instance: Rc<Instance>,
    value: PhantomData<V>,
}

impl<V> Clone for Port<V> {
    fn clone(&self) -> Port<V> {
        Port {
            place: self.place,
            name: self.name.clone(),
            _instance: self._instance.clone(),
            value: PhantomData,
        }
    }
}

impl<V: Value> Port<V> {
    /// # Safety
    /// The place must be a member of the instance, of that width and size, and `V` must hold the width.
    pub(crate) unsafe fn new(place: Place, name: &str, instance: Rc<Instance>) -> Port<V> {
        Port { place, name: name.into(), _instance: instance, value: PhantomData }
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> V {
        let mut raw = V::ZERO;
        let room = size_of::<V::Raw>();
        // SAFETY: the place holds `bytes` bytes and lives as long as we do; `raw` is plain bytes and no
        // more than its size is written. Nothing else refers to either: the model runs on this thread.
        unsafe { copy(self.place.pointer, (&raw mut raw).cast(), self.place.bytes.min(room)) };
        V::from_raw(raw)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bits.
    pub fn width(&self) -> u32 {
        self.place.width
    }
}

/// A port of a top, to be driven.
pub struct Input<V>(Port<V>);

impl<V> Clone for Input<V> {
    fn clone(&self) -> Input<V> {
        Input(self.0.clone())
    }
}

impl<V> Deref for Input<V> {
    type Target = Port<V>;
    fn deref(&self) -> &Port<V> {
        &self.0
    }
}

impl<V: Value> Input<V> {
    pub(crate) fn new(port: Port<V>) -> Input<V> {
        Input(port)
    }

    /// Drives it from now on; the model notices at its next evaluation.
    ///
    /// # Panics
    /// If the value has bits above the width of the port.
    #[inline]
    pub fn set(&self, value: V) {
        let raw = value.into_raw();
        let place = &self.0.place;
        let room = size_of::<V::Raw>();
        // SAFETY: plain bytes may be read as bytes.
        let bytes = unsafe { std::slice::from_raw_parts((&raw const raw).cast::<u8>(), room) };
        assert!(
            is_within(bytes, place.width),
            "the value does not fit the {} bits of `{}`",
            place.width,
            self.0.name
        );
        // SAFETY: as in `get`, the other way round. A member larger than the value keeps its upper bytes,
        // which are zero: the value holds the width.
        unsafe { copy(bytes.as_ptr(), place.pointer, place.bytes.min(room)) };
    }
}

/// Whether no bit at or above `width` is set.
#[inline]
fn is_within(bytes: &[u8], width: u32) -> bool {
    let (whole, rest) = ((width / 8) as usize, width % 8);
    match bytes.get(whole) {
        None => true,
        Some(&first) => first >> rest == 0 && bytes[whole + 1..].iter().all(|byte| *byte == 0),
    }
}

/// Copies bytes; the sizes of narrow ports become single instructions.
///
/// # Safety
/// Both places must hold `bytes` bytes and not overlap.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match bytes {
            1 => *to = *from,
            2 => to.cast::<u16>().write_unaligned(from.cast::<u16>().read_unaligned()),
            4 => to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned()),
            8 => to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned()),
            other => std::ptr::copy_nonoverlapping(from, to, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_above_the_width_are_seen() {
        assert!(is_within(&[0xff, 0x01], 9));
        assert!(!is_within(&[0xff, 0x02], 9));
        assert!(is_within(&[0xff, 0xff], 16));
        assert!(!is_within(&[0, 0, 1], 16));
        assert!(is_within(&[0xff; 4], 512));
    }
}
