//! Writes tops as files of Verilog: `verilog FOLDER [NAME]`.

use hw::tops::{Top, TOPS};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: verilog FOLDER [NAME]");
        return ExitCode::FAILURE;
    };
    match write(Path::new(&folder), arguments.next().as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Writes all, or the one of that name.
fn write(folder: &Path, only: Option<&str>) -> Result<(), String> {
    let chosen: Vec<&Top> = TOPS.iter().filter(|top| only.is_none_or(|name| name == top.name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TOPS.iter().map(|top| top.name).collect();
        return Err(format!("no block `{}`; there are: {}", only.unwrap_or_default(), names.join(", ")));
    }
    fs::create_dir_all(folder).map_err(|problem| format!("{}: {problem}", folder.display()))?;
    for top in chosen {
        let path = folder.join(top.name).with_extension("v");
        fs::write(&path, top.verilog()).map_err(|problem| format!("{}: {problem}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
