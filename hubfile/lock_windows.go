package hubfile

import (
	"errors"
	"os"
	"syscall"
)

// openLocked opens the file for this process alone, and fails with ErrLocked where
// another one has it.
func openLocked(path string) (*os.File, error) {
	const sharingViolation = syscall.Errno(32)
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}

// removeLocked removes the file and closes it. It cannot be removed while it is open,
// here or in another process.
func removeLocked(file *os.File) {
	_ = file.Close()
	_ = os.Remove(file.Name())
}
