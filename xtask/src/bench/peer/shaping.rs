//! The events that Trine's agents ask the kernel for, so that conntrackd gets the same ones.
//!
//! A rule `ct event set` chooses which events a new connection will raise. Where the agents install such
//! rules, conntrackd runs with a copy of them; where they do not, both get every event.

use crate::command::{capture, feed};
use crate::demo::net::Net;
use crate::demo::plan::MEMBERS;
use crate::error::Result;

/// The rules in force at the active gateway, as a table of their own.
pub(super) fn read(net: &Net) -> Result<Option<String>> {
    let text = capture(&mut net.inside(MEMBERS[0], &["nft", "--stateless", "list", "ruleset"]))?;
    Ok(table(&text))
}

/// Puts them into force at both gateways.
pub(super) fn install(net: &Net, table: &str) -> Result<()> {
    for member in MEMBERS {
        feed(&mut net.inside(member, &["nft", "-f", "-"]), table)?;
    }
    Ok(())
}

/// Chains that shape events, cut down to their hook and the rules that do so.
fn table(ruleset: &str) -> Option<String> {
    let mut text = String::new();
    for chain in ruleset.split("\tchain ").skip(1) {
        let lines: Vec<&str> = chain.lines().map(str::trim).take_while(|line| *line != "}").collect();
        let rules: Vec<String> = lines.iter().filter_map(|line| numeric(line)).collect();
        let hook = lines.iter().find(|line| line.starts_with("type "));
        if let (Some(hook), false) = (hook, rules.is_empty()) {
            let name = chain.split_whitespace().next().unwrap_or("chain");
            text.push_str(&format!("chain {name} {{\n{hook}\n{}\n}}\n", rules.join("\n")));
        }
    }
    (!text.is_empty()).then(|| format!("table inet shaping {{\n{text}}}\n"))
}

/// A rule about events with its mask as a number: nft does not read back every name that it prints.
fn numeric(rule: &str) -> Option<String> {
    let (before, names) = rule.split_once("ct event set ")?;
    let bit = |name: &str| EVENTS.iter().position(|event| *event == name).map(|bit| 1u32 << bit);
    let mask: Option<u32> = names.split(',').map(|name| bit(name.trim())).sum();
    Some(format!("{before}ct event set {:#x}", mask?))
}

/// Names that nft prints, by bit of `enum ip_conntrack_events`.
const EVENTS: [&str; 11] = [
    "new",
    "related",
    "destroy",
    "reply",
    "assured",
    "protoinfo",
    "helper",
    "mark",
    "seqadj",
    "secmark",
    "label",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_about_events_are_copied() {
        let ruleset = "table inet trine {\n\tset lease {\n\t\ttype ifname\n\t}\n\n\tchain gate {\n\t\t\
            type filter hook prerouting priority raw; policy accept;\n\t\tdrop\n\t}\n\n\tchain events {\n\t\t\
            type filter hook prerouting priority raw; policy accept;\n\t\tct event set assured,destroy\n\t\t\
            accept\n\t}\n}\n";
        let copied = table(ruleset).expect("one chain shapes events");
        assert_eq!(
            copied,
            "table inet shaping {\nchain events {\ntype filter hook prerouting priority raw; policy accept;\n\
             ct event set 0x14\n}\n}\n"
        );
        assert_eq!(table("table inet x {\n\tchain y {\n\t\tdrop\n\t}\n}\n"), None);
    }
}
