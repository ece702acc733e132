//! What the command line says to people.

use std::net::TcpListener;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millrace-bench"))
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_shows_examples() {
    for arguments in [&["--help"][..], &["room", "--help"]] {
        let output = bench(arguments);
        let text = String::from_utf8_lossy(&output.stdout);

        assert!(output.status.success());
        assert!(text.contains("millrace-bench room --subscribers 50 --url ws://127.0.0.1:7880"));
    }
}

#[test]
fn missing_server_is_named_with_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = bench(&["room", "--url", &format!("ws://{free}")]);

    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains(&format!("no server at ws://{free}")));
    assert!(error_of(&output).contains("make run"));
}

#[test]
fn missing_binary_is_named() {
    let output = bench(&["room", "--server-binary", "does-not-exist"]);

    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("cannot start does-not-exist"));
}

#[test]
fn server_that_ends_at_once_shows_its_last_lines() {
    let output = bench(&["room", "--server-binary", "/bin/false"]);

    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("the server ended at once"));
}

#[test]
fn wrong_arguments_exit_with_two() {
    for arguments in [
        &["room", "--subscribers", "0"][..],
        &["room", "--payload-bytes", "9000"],
        &["room", "--pid", "1"],
        &["unheard-of"],
    ] {
        assert_eq!(bench(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
