//! The ports of a top, read from the class that Verilator generates for it.
//!
//! Enters: the text of `Vmodel.h`. Leaves: name, direction and width of each port, in the order of the
//! class. The header is the one description that every version of Verilator writes (XML came and went),
//! and the one that decides where a value lies. Ports that are arrays are left out.

/// Which way a port points, seen from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Into the top.
    Input,
    /// Out of the top, or both ways.
    Output,
}

/// One port of a top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// The name in the Verilog text.
    pub name: String,
    /// Which way it points.
    pub direction: Direction,
    /// Its bits.
    pub width: u32,
    /// The member of the generated class.
    pub(crate) member: String,
}

impl PortInfo {
    /// Bytes in which Verilator keeps a value of this width.
    pub(crate) fn bytes(&self) -> usize {
        match self.width {
            0..=8 => 1,
            9..=16 => 2,
            17..=32 => 4,
            33..=64 => 8,
            wide => wide.div_ceil(32) as usize * 4,
        }
    }
}

/// Every port that the class declares.
pub(crate) fn ports(header: &str) -> Vec<PortInfo> {
    header.lines().filter_map(|line| port(line.trim())).collect()
}

/// Reads `VL_IN8(&name,7,0);` and its kin: `OUT`, `INOUT`; `16`, ``, `64`, `W` with a number of words.
fn port(line: &str) -> Option<PortInfo> {
    let (kind, rest) = line.strip_prefix("VL_")?.split_once("(&")?;
    let direction = match kind.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'W') {
        "IN" => Direction::Input,
        "OUT" | "INOUT" => Direction::Output,
        _ => return None,
    };
    let mut fields = rest.strip_suffix(");")?.split(',').map(str::trim);
    let member = fields.next()?;
    let (high, low): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    if member.contains('[') {
        return None;
    }
    Some(PortInfo { name: decoded(member), direction, width: high - low + 1, member: member.to_owned() })
}

/// Undoes Verilator's `__0hh` for characters that C++ does not take.
fn decoded(member: &str) -> String {
    let mut name = String::new();
    let mut rest = member;
    while let Some((before, after)) = rest.split_once("__0") {
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        name.push_str(before);
        match code {
            Some(code) => {
                name.push(char::from(code));
                rest = &after[2..];
            }
            None => {
                name.push_str("__0");
                rest = after;
            }
        }
    }
    name + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_storage_is_read() {
        let text = "  public:\n    VL_IN8(&clock,0,0);\n    VL_OUT16(&n,8,0);\n    VL_IN(&word,31,0);\n    \
                    VL_IN64(&id,39,0);\n    VL_OUTW(&sum,511,0,16);\n    VL_IN8(&bank[4],7,0);\n    \
                    VL_UNCOPYABLE(Vmodel);  ///< Copying not allowed\n";
        let found: Vec<(String, u32, usize)> =
            ports(text).into_iter().map(|port| (port.name.clone(), port.width, port.bytes())).collect();
        let expected = [("clock", 1, 1), ("n", 9, 2), ("word", 32, 4), ("id", 40, 8), ("sum", 512, 64)];
        assert_eq!(found, expected.map(|(name, width, bytes)| (name.to_owned(), width, bytes)));
        assert_eq!(ports(text)[1].direction, Direction::Output);
    }

    #[test]
    fn escaped_names_are_those_of_the_text() {
        assert_eq!(decoded("odd__024name"), "odd$name");
        assert_eq!(decoded("a__0b"), "a__0b");
        assert_eq!(decoded("a__0"), "a__0");
    }
}
