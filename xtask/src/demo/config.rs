//! The configuration file of each member.

use super::plan::{CLIENT_V4, MEMBERS, MOVING, OUTER_V4, SERVER_V4};
use std::fmt::Write;
use std::path::Path;

/// Both members share it; a demonstration guards nothing.
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The file of member `index`.
pub(crate) fn config(index: usize, control: &Path) -> String {
    let other = 1 - index;
    let mut text = format!(
        r#"[cluster]
id = 7
secret = "{SECRET}"
takeover = "available"

[member]
id = {index}
name = "{name}"
control = "{control}"

[[peer]]
id = {other}
name = "{other_name}"

[sync]
interface = "sync"
s_tag = 100
c_tag = 10
mtu = 9000

[[network]]
name = "lan"
interface = "lan"
probes = ["{CLIENT_V4}"]

[[network]]
name = "wan"
interface = "wan"
probes = ["{SERVER_V4}"]

[group]
name = "{GROUP}"
order = ["gw1", "gw2"]
snat = ["{OUTER_V4}"]
"#,
        name = MEMBERS[index],
        other_name = MEMBERS[other],
        control = control.display(),
    );
    for moving in &MOVING {
        write!(
            text,
            "\n[[group.address]]\nnetwork = \"{}\"\naddress = \"{}/{}\"\n",
            moving.network, moving.address, moving.prefix
        )
        .expect("text grows");
    }
    write!(text, "\n[timers]\nbeat_ms = 2\nsilent_ms = {SILENT_MS}\nlease_ms = 50\n").expect("text grows");
    text
}

/// Silence after which a path counts as down.
pub(crate) const SILENT_MS: u64 = 30;
/// The one group that moves.
pub(crate) const GROUP: &str = "gateway";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_names_the_other() {
        let text = config(1, Path::new("/run/x/gw2.sock"));
        assert!(text.contains("[member]\nid = 1\nname = \"gw2\"\ncontrol = \"/run/x/gw2.sock\""));
        assert!(text.contains("[[peer]]\nid = 0\nname = \"gw1\""));
        assert_eq!(text.matches("[[group.address]]").count(), 4);
    }
}
