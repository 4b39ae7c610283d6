package cgroup

// FD returns the directory, for syscall.SysProcAttr.
func (g *Group) FD() int { return g.fd }

// Gone says whether somebody has removed the group.
func (g *Group) Gone() bool { return g.gone() }

// ForbidClone3 does as if the kernel refused it.
func (r *Root) ForbidClone3(err error) { r.noClone3 = err }
