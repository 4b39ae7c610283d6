package spool

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// fsType is a kind of file system, as far as it matters for a spool.
type fsType struct {
	name   string
	remote bool // files can be written behind the kernel's back: leases tell nothing
	layers bool // overlayfs: leases do not see who has a file mapped
}

// fsTypeOf finds the kind by the magic number of statfs(2).
func fsTypeOf(magic uint32) fsType {
	if t, ok := remoteTypes[magic]; ok {
		return fsType{name: t, remote: true}
	}

	if t, ok := localTypes[magic]; ok {
		return fsType{name: t, layers: magic == unix.OVERLAYFS_SUPER_MAGIC}
	}

	return fsType{name: fmt.Sprintf("unknown (magic %#x)", magic)}
}

// The numbers stand in statfs(2) and in the kernel's linux/magic.h; those that
// are written out here are not in x/sys.
var localTypes = map[uint32]string{ //nolint:gochecknoglobals // a table that nobody writes to
	unix.EXT4_SUPER_MAGIC:      "ext2/ext3/ext4",
	unix.XFS_SUPER_MAGIC:       "xfs",
	unix.BTRFS_SUPER_MAGIC:     "btrfs",
	unix.TMPFS_MAGIC:           "tmpfs",
	unix.RAMFS_MAGIC:           "ramfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs",
	unix.F2FS_SUPER_MAGIC:      "f2fs",
	unix.ECRYPTFS_SUPER_MAGIC:  "ecryptfs",
	unix.MSDOS_SUPER_MAGIC:     "vfat",
	unix.EXFAT_SUPER_MAGIC:     "exfat",
	unix.ISOFS_SUPER_MAGIC:     "iso9660",
	unix.SQUASHFS_MAGIC:        "squashfs",
	unix.NILFS_SUPER_MAGIC:     "nilfs2",
	unix.HOSTFS_SUPER_MAGIC:    "hostfs",
	0x2fc12fc1:                 "zfs",
	0xca451a4e:                 "bcachefs",
	0x5346544e:                 "ntfs",
	0x7366746e:                 "ntfs3",
	0x3153464a:                 "jfs",
}

var remoteTypes = map[uint32]string{ //nolint:gochecknoglobals // a table that nobody writes to
	unix.NFS_SUPER_MAGIC:   "nfs",
	unix.SMB_SUPER_MAGIC:   "smb",
	unix.SMB2_SUPER_MAGIC:  "smb2",
	unix.CIFS_SUPER_MAGIC:  "cifs",
	unix.FUSE_SUPER_MAGIC:  "fuse",
	unix.V9FS_MAGIC:        "9p",
	unix.CEPH_SUPER_MAGIC:  "ceph",
	unix.AFS_SUPER_MAGIC:   "afs",
	unix.CODA_SUPER_MAGIC:  "coda",
	unix.OCFS2_SUPER_MAGIC: "ocfs2",
	0x01161970:             "gfs2",
	0x786f4256:             "vboxsf",
	0x0bd00bd0:             "lustre",
}
