//! Gives the first service its generated code: the greeter's, whose contract
//! it has, so that the book needs no code generator. A test sees to it that
//! the page's `.proto` is that contract.

use std::{env, error::Error, fs, path::Path};

const GENERATED: &str = "../greeter/src/pb/greeter.v1.rs";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={GENERATED}");
    let code = fs::read_to_string(GENERATED)?;
    let folder = env::var("OUT_DIR")?;
    // Its reader has no lints of ours on generated code.
    let quiet = format!(
        "#[allow(warnings, clippy::all, clippy::pedantic, clippy::unwrap_used)]\nmod generated \
         {{\n{code}\n}}\n#[allow(unused_imports, unreachable_pub)]\npub use generated::*;\n"
    );
    fs::write(Path::new(&folder).join("greeter.v1.rs"), quiet)?;
    Ok(())
}
