use std::{io, sync::mpsc};

use super::*;

/// A writer whose text can be read at the other end.
struct Pipe(mpsc::SyncSender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk without room.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(chunks: &mpsc::Receiver<Vec<u8>>) -> String {
    String::from_utf8(chunks.try_iter().flatten().collect()).unwrap()
}

fn pipe() -> (Box<Pipe>, mpsc::Receiver<Vec<u8>>) {
    let (sender, receiver) = sync_channel(1024);
    (Box::new(Pipe(sender)), receiver)
}

#[tokio::test]
async fn lines_have_names_and_no_colours_where_none_are_wanted() {
    let ((output, lines), (notes, said)) = (pipe(), pipe());
    let console = Console::start(ConsoleOptions { output, notes, colour: false }).unwrap();
    console.begin(1, "web".into());
    console.begin(2, "worker".into());
    console.output(1, false, &Bytes::from("\x1b[32mready\x1b[0m\r\nin 5 ms\n"));
    console.output(2, true, &Bytes::from("oops\n"));
    console.note_about(1, "ended");
    console.finish().await;
    assert_eq!(text(&lines), "web    | ready\nweb    | in 5 ms\nworker ! oops\n");
    assert_eq!(text(&said), "web: ended\n");
}

#[tokio::test]
async fn colours_stay_on_a_terminal_and_end_with_the_line() {
    let ((output, lines), (notes, _said)) = (pipe(), pipe());
    let console = Console::start(ConsoleOptions { output, notes, colour: true }).unwrap();
    console.begin(0, "web".into());
    console.output(0, false, &Bytes::from("\x1b[2J\x1b[32mready\n"));
    console.finish().await;
    assert_eq!(text(&lines), "\x1b[36mweb |\x1b[0m \x1b[32mready\x1b[0m\n");
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_stops_nothing() {
    let (notes, said) = pipe();
    let console = Console::start(ConsoleOptions { output: Box::new(Full), notes, colour: false }).unwrap();
    for _ in 0..10 {
        console.output(0, false, &Bytes::from("line\n"));
        console.note("going on");
    }
    console.finish().await;
    let said = text(&said);
    assert_eq!(said.matches("warning: cannot write to standard output").count(), 1, "{said}");
    assert_eq!(said.matches("going on").count(), 10, "{said}");
}

#[tokio::test]
async fn a_terminal_that_stands_still_holds_nobody_up() {
    // Nobody reads, and the pipe holds nothing.
    let (sender, receiver) = sync_channel(0);
    let (notes, said) = pipe();
    let options = ConsoleOptions { output: Box::new(Pipe(sender)), notes, colour: false };
    let console = Console::start(options).unwrap();
    let block = Bytes::from("line\n".repeat(10_000));
    for _ in 0..1000 {
        console.output(0, false, &block);
    }
    assert!(console.queued.load(Ordering::Relaxed) <= QUEUED_BYTES + block.len());
    // The reader goes away; what was left out is told.
    drop(receiver);
    console.finish().await;
    let said = text(&said);
    let told: u64 = said.lines().map(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()).sum();
    assert!(told > 9_000_000, "{said}");
}
