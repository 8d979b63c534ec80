//! The agent's configuration file.

use trine_daemon::config::AgentConfig;

/// Reads the bytes as a file, if they are text; what is accepted gives the core a configuration.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match AgentConfig::parse(text) {
        Ok(config) => {
            let _ = (config.core(), config.set_bits(), config.moving().count());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
