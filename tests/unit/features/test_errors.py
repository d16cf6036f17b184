"""What every error of ours says."""

from feature_repo.errors import TryLater


def test_colours_of_a_librarys_message_are_left_out() -> None:
    error = TryLater("the lake cannot be used: \x1b[1;31mGeneric S3 error\x1b[0m: no route [1m]; check rights")
    assert str(error) == "the lake cannot be used: Generic S3 error: no route [1m]; check rights"
