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
    let console = Console::start(ConsoleOptions { output, notes, colour: false, whole: false }).unwrap();
    console.begin(1, "web".into());
    console.begin(2, "worker".into());
    console.output(1, false, &Bytes::from("\x1b[32mready\x1b[0m\r\nin 5 ms\n")).await;
    console.output(2, true, &Bytes::from("oops\n")).await;
    console.note_about(1, "ended");
    console.finish().await;
    assert_eq!(text(&lines), "web    | ready\nweb    | in 5 ms\nworker ! oops\n");
    assert_eq!(text(&said), "web: ended\n");
}

#[tokio::test]
async fn names_are_aligned_whatever_letters_they_have() {
    let ((output, lines), (notes, _said)) = (pipe(), pipe());
    let console = Console::start(ConsoleOptions { output, notes, colour: false, whole: false }).unwrap();
    console.begin(1, "店".into());
    console.begin(2, "web".into());
    for process in [1, 2] {
        console.output(process, false, &Bytes::from("x\n")).await;
    }
    console.finish().await;
    assert_eq!(text(&lines), "店  | x\nweb | x\n");
}

#[tokio::test]
async fn colours_stay_on_a_terminal_and_end_with_the_line() {
    let ((output, lines), (notes, _said)) = (pipe(), pipe());
    let console = Console::start(ConsoleOptions { output, notes, colour: true, whole: false }).unwrap();
    console.begin(0, "web".into());
    console.output(0, false, &Bytes::from("\x1b[2J\x1b[32mready\n")).await;
    console.finish().await;
    assert_eq!(text(&lines), "\x1b[36mweb |\x1b[0m \x1b[32mready\x1b[0m\n");
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_stops_nothing() {
    let (notes, said) = pipe();
    let console =
        Console::start(ConsoleOptions { output: Box::new(Full), notes, colour: false, whole: false })
            .unwrap();
    for _ in 0..10 {
        console.output(0, false, &Bytes::from("line\n")).await;
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
    let options = ConsoleOptions { output: Box::new(Pipe(sender)), notes, colour: false, whole: false };
    let console = Console::start(options).unwrap();
    let block = Bytes::from("line\n".repeat(10_000));
    for _ in 0..1000 {
        console.output(0, false, &block).await;
    }
    // The reader goes away; what was left out is told.
    drop(receiver);
    console.finish().await;
    assert!(left_out(&text(&said)) > 9_000_000);
}

/// How many lines were left out.
fn left_out(said: &str) -> u64 {
    said.lines().map(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn whoever_wants_all_gets_all_however_slowly_it_is_read() {
    const LINES: usize = 1_000_000;
    // What is not taken is not read any further.
    let (sender, receiver) = sync_channel(0);
    let (notes, said) = pipe();
    let options = ConsoleOptions { output: Box::new(Pipe(sender)), notes, colour: false, whole: true };
    let console = Console::start(options).unwrap();
    let reader = thread::spawn(move || {
        let (mut expected, mut rest) = (0, Vec::new());
        for chunk in receiver {
            rest.extend_from_slice(&chunk);
            let end = memchr::memrchr(b'\n', &rest).map_or(0, |end| end + 1);
            for line in String::from_utf8(rest.drain(..end).collect()).unwrap().lines() {
                assert_eq!(line, format!(" | {expected}"));
                expected += 1;
            }
        }
        expected
    });
    let mut number = 0;
    // Blocks of one line and of many, as pipes give them.
    for length in [1, 2, 700, 3].into_iter().cycle() {
        let last = LINES.min(number + length);
        let lines: String = (number..last).map(|number| format!("{number}\n")).collect();
        console.output(0, false, &lines.into()).await;
        number = last;
        if number == LINES {
            break;
        }
    }
    console.finish().await;
    drop(console);
    assert_eq!((reader.join().unwrap(), text(&said).as_str()), (LINES, ""));
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_up_until_the_run_is_to_end() {
    let (sender, receiver) = sync_channel(0);
    let (notes, said) = pipe();
    let options = ConsoleOptions { output: Box::new(Pipe(sender)), notes, colour: false, whole: true };
    let console = Console::start(options).unwrap();
    let block = Bytes::from("line\n".repeat(10_000));
    // As much as there is room for, and one more, which waits.
    let waiting = {
        let (console, block) = (console.clone(), block.clone());
        tokio::spawn(async move {
            for _ in 0..100 {
                console.output(0, false, &block).await;
            }
        })
    };
    // On this one thread, the task has run until it had to wait.
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished() && console.is_behind());
    console.hurry();
    assert!(!console.is_behind());
    waiting.await.unwrap();
    drop(receiver);
    console.finish().await;
    assert!(left_out(&text(&said)) > 700_000);
}

#[tokio::test]
async fn a_reader_that_has_gone_away_holds_nobody_up() {
    let (sender, receiver) = sync_channel(0);
    // Notes are taken one by one.
    let (sender_of_notes, said) = sync_channel(0);
    let notes = Box::new(Pipe(sender_of_notes));
    let options = ConsoleOptions { output: Box::new(Pipe(sender)), notes, colour: false, whole: true };
    let console = Console::start(options).unwrap();
    drop(receiver);
    let block = Bytes::from("line\n".repeat(10_000));
    for _ in 0..100 {
        console.output(0, false, &block).await;
    }
    // The run is to end, and the thread is busy, so that there is no room for all.
    console.hurry();
    console.note("held");
    for _ in 0..100 {
        console.output(0, false, &block).await;
    }
    let said = thread::spawn(move || said.into_iter().flatten().collect::<Vec<u8>>());
    console.finish().await;
    drop(console);
    assert_eq!(String::from_utf8(said.join().unwrap()).unwrap(), "held\n", "it wanted no more");
}
