//! One mailbox of 10,000, 100,000 and 1,000,000 messages: what each command takes, and how it grows.
//!
//! `cargo bench --bench large_mailbox [-- SIZE...]`; `LARGE_MAILBOX_DIR=DIR` keeps the store there for another run.
#![allow(missing_docs, unreachable_pub)]

mod client;
mod filled;
mod measure;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use measure::{Column, Figure};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *texts.as_slice() {
        ["fill", dir, size] => tell(&measure::fill(Path::new(dir), size.parse().expect("a size")).await),
        ["measure", dir] => tell(&measure::measure(Path::new(dir)).await),
        _ => all(texts.iter().filter_map(|size| size.parse().ok()).collect()),
    }
}

/// Each step is a process of its own, so that none has the memory of the one before.
fn all(mut sizes: Vec<u32>) {
    if sizes.is_empty() {
        sizes.extend(SIZES);
    }
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = std::env::var_os("LARGE_MAILBOX_DIR").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let dir = dir.to_str().expect("a name in UTF-8");
    let mut columns = Vec::new();
    for size in sizes {
        eprintln!("{size} messages");
        let mut column = step(&["fill", dir, &size.to_string()]);
        column.extend(step(&["measure", dir]));
        columns.push((size, column));
    }
    print(&columns);
}

fn step(arguments: &[&str]) -> Column<String> {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output().expect("a process");
    assert!(output.status.success(), "{arguments:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(heard).collect()
}

/// Writes figures for [`heard`].
fn tell(column: &Column) {
    for (name, figure) in column {
        match figure {
            Figure::Time(time) => println!("ns\t{}\t{name}", time.as_nanos()),
            Figure::Bytes(bytes) => println!("bytes\t{bytes}\t{name}"),
        }
    }
}

fn heard(line: &str) -> Option<(String, Figure)> {
    let (kind, rest) = line.split_once('\t')?;
    let (value, name) = rest.split_once('\t')?;
    let value = value.parse().ok()?;
    let figure = if kind == "ns" { Figure::Time(Duration::from_nanos(value)) } else { Figure::Bytes(value) };
    Some((name.to_owned(), figure))
}

/// A row a figure, a column a size, and what the last is to the first.
fn print(columns: &[(u32, Column<String>)]) {
    print!("{:34}", "messages");
    for (size, _) in columns {
        print!("{size:>12}");
    }
    println!("{:>10}", "growth");
    let Some((_, names)) = columns.last() else { return };
    for (name, _) in names {
        print!("{name:34}");
        let row: Vec<Option<Figure>> = columns.iter().map(|(_, column)| find(column, name)).collect();
        row.iter().for_each(|figure| print!("{:>12}", figure.map_or_else(|| "-".to_owned(), written)));
        match (row.first().copied().flatten(), row.last().copied().flatten()) {
            (Some(first), Some(last)) => println!("{:>9.1}x", plain(last) / plain(first).max(f64::MIN_POSITIVE)),
            _ => println!("{:>10}", "-"),
        }
    }
}

fn find(column: &Column<String>, name: &str) -> Option<Figure> {
    column.iter().find(|(other, _)| other == name).map(|(_, figure)| *figure)
}

fn plain(figure: Figure) -> f64 {
    match figure {
        Figure::Time(time) => time.as_secs_f64(),
        Figure::Bytes(bytes) => bytes as f64,
    }
}

fn written(figure: Figure) -> String {
    match figure {
        Figure::Time(time) => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        Figure::Bytes(bytes) if bytes < 1 << 20 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        Figure::Bytes(bytes) => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}
