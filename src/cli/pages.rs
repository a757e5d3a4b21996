//! `tributary man` and `tributary completions`: what packages install beside the binary, made by the binary itself.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

/// Where to put the pages.
#[derive(Debug, clap::Args)]
pub(super) struct ManFlags {
    /// Write a page for each command into this directory; without it the first page goes to standard output
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// For which shell.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsFlags {
    shell: Shell,
}

/// Writes the manual pages.
pub(super) fn man(flags: &ManFlags) -> anyhow::Result<()> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &flags.dir else {
        std::io::stdout().write_all(&page(&command, "tributary")?)?;
        return Ok(());
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    write(dir, "tributary", &page(&command, "tributary")?)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = format!("tributary-{}", sub.get_name());
        write(dir, &name, &page(sub, &name)?)?;
    }
    Ok(())
}

/// Writes the completions to standard output.
pub(super) fn completions(flags: &CompletionsFlags) {
    clap_complete::generate(flags.shell, &mut Cli::command(), "tributary", &mut std::io::stdout());
}

fn write(dir: &Path, name: &str, page: &[u8]) -> anyhow::Result<()> {
    let file = dir.join(format!("{name}.1"));
    std::fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))
}

/// One page in section 1. What stands behind the options in the help is prose and then examples, which keep their lines.
fn page(command: &clap::Command, name: &str) -> std::io::Result<Vec<u8>> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let owned: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let man = clap_mangen::Man::new(command.clone().name(owned).after_help(""));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let (prose, examples) = match after.split_once("Example") {
        Some((prose, examples)) => (prose.trim(), examples.split_once('\n').map_or("", |(_, lines)| lines)),
        None => (after.trim(), ""),
    };
    if !prose.is_empty() {
        writeln!(page, ".SH NOTES\n{}", roff(prose))?;
    }
    if !examples.is_empty() {
        writeln!(page, ".SH EXAMPLES\n.nf\n{}\n.fi", roff(examples))?;
    }
    Ok(page)
}

/// Text as it is: no line of it is a request, no character an escape.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let line = |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() };
    escaped.lines().map(line).collect::<Vec<_>>().join("\n")
}
